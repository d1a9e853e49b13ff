package io.sparkgguf.validate;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.validate.ArchitectureTensors.Expected;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Checks a whole model by the rules of llama.cpp's loader, and by a few of ours where it stays silent. Safe for hostile
 * input; finds nothing wrong with what llama.cpp's own tools write.
 */
public final class ModelCheck {
    private static final int MAX_NAME_BYTES = 63;
    private static final int MAX_RANK = 4;

    private final Metadata metadata;
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();
    private final Findings findings;

    private ModelCheck(Metadata metadata, Findings findings) {
        this.metadata = metadata;
        this.findings = findings;
    }

    /** The architectures whose keys and tensors are checked one by one; of others only what holds for all. */
    public static Set<String> knownArchitectures() {
        return ArchitectureTensors.known();
    }

    /**
     * Checks a model in one or more files.
     *
     * @param shards in the order of their numbers; at least one
     * @return what is wrong, empty when nothing is; at most about a hundred, the rest as a count
     */
    public static List<Finding> check(List<Shard> shards) {
        if (shards.isEmpty()) {
            throw new IllegalArgumentException("Cannot check a model of no files");
        }
        Findings findings = new Findings();
        SplitCheck.check(shards, findings);
        List<TensorEntry> all = new ArrayList<>();
        shards.forEach(shard -> all.addAll(shard.tensors()));
        new ModelCheck(shards.get(0).metadata(), findings).checkAll(all);
        return findings.toList();
    }

    /** Checks a model in one file, whose name does not matter. */
    public static List<Finding> check(Metadata metadata, List<TensorEntry> tensors) {
        return check(List.of(new Shard("", metadata, tensors)));
    }

    private void checkAll(List<TensorEntry> all) {
        for (TensorEntry tensor : all) {
            checkTensor(tensor);
            if (tensors.putIfAbsent(tensor.name(), tensor) != null) {
                findings.error(tensor.name(), tensor.name() + " is there twice");
            }
        }
        Keys keys = new Keys(metadata, findings);
        checkGeneral(keys);
        if (!keys.present("general.architecture")) {
            return;
        }
        Optional<String> architecture = keys.text("general.architecture");
        if (architecture.isEmpty()) {
            return;
        }
        boolean known = ArchitectureTensors.known().contains(architecture.get());
        boolean tokenizer = metadata.asMap().keySet().stream().anyMatch(key -> key.startsWith("tokenizer.ggml."));
        long vocabulary = known || tokenizer ? TokenizerCheck.check(metadata, architecture.get(), findings) : -1;
        keys.text("bitnet.hidden_activation")
                .filter(activation -> architecture.get().equals("bitnet") && !activation.equals("silu"))
                .ifPresent(
                        activation -> findings.warning(
                                "bitnet.hidden_activation",
                                "bitnet.hidden_activation is " + activation
                                        + ", but llama.cpp runs every bitnet with silu: it loads the file and computes another model"));
        if (known) {
            Hyperparameters.read(metadata, architecture.get(), vocabulary, findings)
                    .ifPresent(model -> checkExpected(architecture.get(), model));
        } else {
            checkVocabulary(vocabulary);
        }
    }

    private void checkTensor(TensorEntry tensor) {
        String name = tensor.name();
        int bytes = name.getBytes(StandardCharsets.UTF_8).length;
        if (bytes == 0 || bytes > MAX_NAME_BYTES) {
            findings.error(
                    name,
                    "the tensor name \"" + name + "\" has " + bytes + " bytes, but must have 1 to " + MAX_NAME_BYTES);
        }
        if (tensor.shape().rank() > MAX_RANK) {
            findings.error(
                    name, name + " has " + tensor.shape().rank() + " dimensions, but must have at most " + MAX_RANK);
        }
        BlockType type = tensor.type();
        if (tensor.shape().columns() % type.blockElements() != 0) {
            findings.error(
                    name,
                    name + " has rows of " + tensor.shape().columns() + " columns, not a multiple of the block of "
                            + type.blockElements() + " of " + type);
        }
    }

    private void checkGeneral(Keys keys) {
        keys.text("general.name");
        keys.u32("general.file_type");
        keys.u32("general.alignment").ifPresent(alignment -> {
            if (Long.bitCount(alignment) != 1) {
                findings.error(
                        "general.alignment", "general.alignment is " + alignment + ", but must be a power of two");
            }
        });
        boolean quantized =
                tensors.values().stream().anyMatch(tensor -> !tensor.type().isScalar());
        long version = keys.u32("general.quantization_version").orElse(0);
        if (quantized && version != 2) {
            findings.warning(
                    "general.quantization_version",
                    "general.quantization_version is " + (version == 0 ? "absent" : Long.toString(version))
                            + ", but should be 2 in a file of quantized tensors");
        }
        if (tensors.isEmpty()) {
            findings.warning("", "the file has no tensors");
        }
    }

    private void checkExpected(String architecture, Hyperparameters model) {
        Set<String> surplus = new HashSet<>(tensors.keySet());
        for (Expected expected : ArchitectureTensors.of(architecture, model, tensors::containsKey)) {
            surplus.remove(expected.name());
            TensorEntry tensor = tensors.get(expected.name());
            if (tensor == null) {
                if (expected.required()) {
                    findings.error(
                            expected.name(),
                            expected.name() + " is missing, which a " + architecture + " of these dimensions needs");
                }
            } else if (!matches(tensor.shape().toArray(), expected.shape())) {
                findings.error(
                        expected.name(),
                        expected.name() + " has shape " + tensor.shape() + ", but a " + architecture
                                + " of these dimensions needs " + describe(expected.shape()));
            }
        }
        tensors.keySet().stream()
                .filter(surplus::contains)
                .forEach(name -> findings.error(
                        name,
                        name + " is no tensor of a " + architecture
                                + " of these dimensions, and a file with tensors that are not used is refused"));
    }

    /** Outer dimensions of 1 do not count; -1 matches all. */
    private static boolean matches(long[] shape, long[] expected) {
        for (int back = 1; back <= Math.max(shape.length, expected.length); back++) {
            long is = back <= shape.length ? shape[shape.length - back] : 1;
            long needed = back <= expected.length ? expected[expected.length - back] : 1;
            if (needed >= 0 && is != needed) {
                return false;
            }
        }
        return true;
    }

    private static String describe(long[] shape) {
        return Arrays.toString(shape).replace("-1", "any");
    }

    private void checkVocabulary(long vocabulary) {
        TensorEntry embeddings = tensors.get("token_embd.weight");
        if (vocabulary > 0 && embeddings != null && embeddings.shape().rows() != vocabulary) {
            findings.warning(
                    embeddings.name(),
                    embeddings.name() + " has " + embeddings.shape().rows() + " rows, but there are " + vocabulary
                            + " tokens");
        }
    }
}
