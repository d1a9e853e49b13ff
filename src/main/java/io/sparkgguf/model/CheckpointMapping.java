package io.sparkgguf.model;

import io.sparkgguf.model.TernarySource.Meaning;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Turns a Hugging Face checkpoint's configuration and tensor list into a {@link Model}: the architecture's page is laid
 * over the checkpoint, and every tensor must find its line.
 *
 * <p>The facts, names and shapes are those of llama.cpp's converter and loader.
 */
public final class CheckpointMapping {
    /** Buffers of old checkpoints that follow from the configuration. */
    private static final List<String> DROPPED =
            List.of(".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq");

    /** What BitNet's linear layers round their inputs to. */
    private static final long BIT_LINEAR_ACTIVATION_BITS = 8;

    private final HfConfig config;
    private final Architecture page;
    private final String who;
    private final Sizes sizes;
    private final Map<String, TensorLocation> left = new LinkedHashMap<>();
    private final List<ModelTensor> tensors = new ArrayList<>();
    private final List<String> missing = new ArrayList<>();
    private Meaning meaning;

    private CheckpointMapping(HfConfig config, List<TensorLocation> stored) {
        this.config = config;
        this.page = Architectures.of(config);
        this.who = page.gguf();
        this.sizes = Sizes.of(config, page.sizes(), who);
        for (TensorLocation tensor : stored) {
            if (left.put(tensor.name(), tensor) != null) {
                throw new IllegalArgumentException("Cannot map tensor '" + tensor.name() + "' twice");
            }
        }
    }

    /**
     * Maps a checkpoint.
     *
     * @param config its {@code config.json}
     * @param generation its {@code generation_config.json}, where recommended sampling comes from
     * @param folder the last part of its folder's name, which names the model when {@code config.json} does not
     * @param stored all its tensors, each name once
     * @return all but the tokenizer's metadata, {@code general.file_type} and {@code general.quantization_version}
     * @throws InvalidInputException when the architecture is not known, the configuration lacks a key or contradicts the
     *     tensors, or a tensor is missing, unknown, of the wrong shape or of a type that cannot be read
     */
    public static Model map(
            HfConfig config, Optional<HfConfig> generation, String folder, List<TensorLocation> stored) {
        return new CheckpointMapping(config, stored).map(generation, folder);
    }

    private Model map(Optional<HfConfig> generation, String folder) {
        meaning = BitNetQuantization.of(config, who, linearLayers())
                .map(BitNetQuantization::meaning)
                .orElse(config.integer("weight_bits").orElse(0) == 1 ? Meaning.MASTER : null); // as 1bitLLM says it
        RopeParameters rope = RopeParameters.of(config, page.ropeTypes(), who);
        KeyRule.Facts facts = new KeyRule.Facts(config, sizes, rope, who);
        page.checks().forEach(check -> check.accept(facts));
        long layers = sizes.get("num_hidden_layers");
        for (TensorRule rule : rules()) {
            for (long layer = 0; layer < (rule.isOfLayer() ? layers : 1); layer++) {
                take(rule, layer);
            }
        }
        refuseMissing();
        refuseUnknown();
        rope.frequencyDivisors(sizes.get("head_dim"))
                .ifPresent(divisors -> tensors.add(new ModelTensor(
                        "rope_freqs.weight", Shape.of(divisors.length), new ModelTensor.Computed(divisors))));
        Metadata metadata = GeneralMetadata.of(page.gguf(), config, generation, folder, tensors);
        page.keys().forEach(key -> key.put(metadata, page.gguf() + ".", facts));
        if (meaning != null) {
            metadata.putU32(page.gguf() + ".activation_bits", BIT_LINEAR_ACTIVATION_BITS);
        }
        return new Model(page.gguf(), metadata, tensors);
    }

    private List<TensorRule> rules() {
        return page.tensors().stream()
                .filter(rule -> rule.applies().test(config))
                .toList();
    }

    private List<String> linearLayers() {
        List<String> names = new ArrayList<>();
        for (long layer = 0; layer < sizes.get("num_hidden_layers"); layer++) {
            for (TensorRule rule : rules()) {
                if (rule.isLinear()) {
                    names.add(rule.from(layer).replaceFirst("\\.weight$", ""));
                }
            }
        }
        return names;
    }

    private void take(TensorRule rule, long layer) {
        String name = rule.from(layer);
        TensorLocation stored = left.remove(name);
        if (stored == null) {
            if (rule.required().test(config)) {
                missing.add(name);
            }
            return;
        }
        long[] expected = rule.shape().stream().mapToLong(sizes::product).toArray();
        RowOrder order = rule.halves() == null
                ? RowOrder.AS_STORED
                : RowOrder.interleaveHalves(Math.toIntExact(sizes.get(rule.halves())));
        if (rule.isLinear() && meaning != null && meaning != Meaning.MASTER) {
            tensors.add(new ModelTensor(rule.to(layer), Shape.of(expected), packed(stored, expected, rule, order)));
            return;
        }
        if (!Arrays.equals(stored.shape().toArray(), expected)) {
            throw config.unusable("by its sizes tensor '" + name + "' is " + sizes.describe(rule.shape()) + ", but in "
                    + stored.file() + " it is " + stored.shape());
        }
        if (stored.encoding() instanceof DType type && !isReadable(type)) {
            throw new InvalidInputException(
                    "Cannot convert tensor '" + name + "' of " + stored.file() + ": it is stored as " + type + ", but "
                            + who + " is converted from F64, F32, F16, BF16 or integers");
        }
        TernarySource ternary = rule.isLinear() ? master(stored) : null;
        tensors.add(new ModelTensor(
                rule.to(layer), stored.shape(), new ModelTensor.Stored(List.of(stored), order, ternary)));
    }

    /** How float weights of a linear layer become ternary; null when they do not. */
    private TernarySource master(TensorLocation stored) {
        if (meaning == Meaning.MASTER) {
            return new TernarySource(Meaning.MASTER, stored, null);
        }
        return page == BitNetPage.PAGE ? new TernarySource(Meaning.MASTER_FOR_TERNARY_TYPES, stored, null) : null;
    }

    /** BitNet's packed levels: a quarter of the rows, with one scale beside them. */
    private ModelTensor.Stored packed(TensorLocation stored, long[] expected, TensorRule rule, RowOrder order) {
        String name = stored.name();
        if (stored.encoding() != DType.U8) {
            throw new InvalidInputException("Cannot convert tensor '" + name + "' of " + stored.file()
                    + ": it is stored as " + stored.encoding().label()
                    + ", but quantization_config says that its levels are packed as U8");
        }
        if (expected[0] % TernarySource.FIELDS != 0) {
            throw config.unusable("by its sizes tensor '" + name + "' is " + sizes.describe(rule.shape())
                    + ", whose rows do not pack four to a byte");
        }
        if (!Arrays.equals(stored.shape().toArray(), new long[] {expected[0] / TernarySource.FIELDS, expected[1]})) {
            throw config.unusable("by its sizes tensor '" + name + "' is " + sizes.describe(rule.shape())
                    + " with four rows to a byte, but in " + stored.file() + " it is " + stored.shape());
        }
        TensorLocation scale = left.remove(name + "_scale");
        if (scale == null) {
            throw new InvalidInputException("Cannot convert tensor '" + name + "' of " + stored.file() + ": its scale '"
                    + name + "_scale' is missing");
        }
        return TernarySource.packed(stored, scale, meaning, order);
    }

    private static boolean isReadable(DType type) {
        return switch (type) {
            case F8_E4M3, F8_E5M2, F8_E8M0, BOOL -> false;
            default -> true;
        };
    }

    private void refuseMissing() {
        if (!missing.isEmpty()) {
            throw new InvalidInputException("Cannot convert the checkpoint: tensor '" + missing.get(0)
                    + "' is missing, which " + described() + " needs" + others(missing.size() - 1));
        }
    }

    private void refuseUnknown() {
        List<TensorLocation> unknown = left.values().stream()
                .filter(tensor -> DROPPED.stream().noneMatch(tensor.name()::endsWith))
                .toList();
        if (!unknown.isEmpty()) {
            throw new InvalidInputException("Cannot convert the checkpoint: tensor '"
                    + unknown.get(0).name() + "' of " + unknown.get(0).file() + " is not one of " + described()
                    + others(unknown.size() - 1));
        }
    }

    private String described() {
        return "a " + who + " of " + sizes.get("num_hidden_layers") + " layers";
    }

    private static String others(int count) {
        return count == 0 ? "" : " (and " + count + " more such)";
    }
}
