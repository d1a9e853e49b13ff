package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Chooses the type of each tensor of a file, and says why.
 *
 * <p>For a tensor that can be quantized at all, the first of these decides: {@code --token-embedding-type},
 * {@code --output-tensor-type}, the first pattern of {@code --tensor-type} that is found in its name, and the mix (or,
 * with {@code --pure}, the main type). Where the blocks of the type do not divide the rows, a type that was asked for by
 * name is refused, and one that the mix chose is replaced.
 *
 * <p>Source: llama-quantize of llama.cpp b10572, src/llama-quant.cpp.
 */
public final class TypeSelector {
    /** A type before the rows are looked at. */
    private record Wish(BlockType type, Rule rule, String detail) {}

    private final TypeOptions options;
    private final FileType fileType;
    private final boolean tied;
    private final Mix mix;
    private final int[] used;

    private TypeSelector(List<InputTensor> tensors, ModelFacts facts, TypeOptions options) {
        this.options = options;
        this.fileType = options.fileType();
        this.tied = tensors.stream().noneMatch(tensor -> tensor.name().equals(TensorRole.OUTPUT_NAME));
        this.used = new int[options.overrides().size()];
        int values = (int) tensors.stream()
                .filter(tensor -> TensorRole.of(tensor.name()).holdsValues())
                .count();
        int layers = facts.blocks() > 0 ? facts.blocks() : layers(tensors);
        this.mix = fileType.quantizes()
                ? new Mix(fileType, facts, layers, values, tied, options.importance() != null)
                : null;
    }

    private static int layers(List<InputTensor> tensors) {
        return tensors.stream()
                .mapToInt(tensor -> TensorOrder.layer(tensor.name()).orElse(-1))
                .max()
                .stream()
                .map(last -> last == Integer.MAX_VALUE ? last : last + 1)
                .findFirst()
                .orElse(0);
    }

    /**
     * Chooses the types of {@code tensors}.
     *
     * @param tensors all of the model; in the order of the file when the options keep it, else in any
     * @return the choices, in the order of the file to be
     * @throws InvalidInputException when an option cannot be met: a type without encoder, rows that blocks do not divide,
     *     importance that is missing, quantizing twice without leave
     */
    public static TypeChoices select(List<InputTensor> tensors, ModelFacts facts, TypeOptions options) {
        options.fileType().requireAvailable();
        TypeChoices choices = choose(tensors, facts, options);
        check(choices, options);
        return choices;
    }

    /** As {@link #select}, whether or not there are encoders, importance and leave for it. */
    static TypeChoices choose(List<InputTensor> tensors, ModelFacts facts, TypeOptions options) {
        List<InputTensor> ordered = options.keepOrder()
                ? tensors
                : tensors.stream()
                        .sorted(Comparator.comparing(InputTensor::name, TensorOrder.BY_LAYER_THEN_NAME))
                        .toList();
        TypeSelector selector = new TypeSelector(ordered, facts, options);
        List<TypeChoice> choices = ordered.stream().map(selector::choose).toList();
        return new TypeChoices(choices, selector.warnings(ordered));
    }

    private TypeChoice choose(InputTensor tensor) {
        Optional<TypeChoice> unchanged = unchanged(tensor);
        if (unchanged.isPresent()) {
            return unchanged.get();
        }
        TensorRole role = TensorRole.of(tensor.name());
        return explicit(tensor, role)
                .map(wish -> exactly(tensor, wish))
                .orElseGet(() -> orSubstitute(tensor, role, byFileType(tensor, role)));
    }

    /** The choice of a tensor that no type is chosen for; empty when one is. */
    private Optional<TypeChoice> unchanged(InputTensor tensor) {
        if (tensor.keepAs() != null) {
            return Optional.of(choice(
                    tensor,
                    new Wish(
                            tensor.keepAs(),
                            Rule.KEPT,
                            NeverQuantized.reason(tensor).orElse("the model needs it so"))));
        }
        if (fileType == FileType.COPY) {
            return Optional.of(choice(tensor, new Wish(asStored(tensor), Rule.COPY, "everything is copied")));
        }
        Optional<String> reason = NeverQuantized.reason(tensor);
        if (reason.isPresent()) {
            return Optional.of(choice(tensor, new Wish(asStored(tensor), Rule.KEPT, reason.get())));
        }
        if (holdsOtherNumbers(tensor.encoding())) {
            String detail = "holds numbers of type " + tensor.encoding().label();
            return Optional.of(choice(tensor, new Wish(asStored(tensor), Rule.COPY, detail)));
        }
        if (options.leaveOutputTensor() && TensorRole.of(tensor.name()) == TensorRole.OUTPUT) {
            return Optional.of(choice(tensor, new Wish(asStored(tensor), Rule.OUTPUT_OPTION, "--leave-output-tensor")));
        }
        return Optional.empty();
    }

    /** Whether the values are no weights to quantize: integers; double precision too in GGUF, not in a checkpoint. */
    private static boolean holdsOtherNumbers(Encoding encoding) {
        if (encoding instanceof BlockType type) {
            return WeightTypes.isOnlyCopied(type);
        }
        return switch ((DType) encoding) {
            case F64, F32, F16, BF16, F8_E4M3, F8_E5M2 -> false;
            default -> true;
        };
    }

    private static BlockType asStored(InputTensor tensor) {
        if (tensor.encoding() instanceof BlockType type) {
            return type;
        }
        String label = tensor.encoding().label();
        return BlockType.of(label)
                .orElseThrow(() -> new InvalidInputException(
                        "Cannot keep " + tensor.name() + " as it is: GGUF has no type " + label));
    }

    /** What an option asks for this very tensor. */
    private Optional<Wish> explicit(InputTensor tensor, TensorRole role) {
        int pattern = firstMatch(tensor.name());
        if (role == TensorRole.TOKEN_EMBEDDING && options.tokenEmbeddingType() != null) {
            // the embeddings of layers are a table of their own, which a pattern may name
            boolean named = pattern >= 0 && !tensor.name().equals("token_embd.weight");
            if (!named) {
                return Optional.of(new Wish(
                        options.tokenEmbeddingType(),
                        Rule.EMBEDDING_OPTION,
                        "--token-embedding-type " + options.tokenEmbeddingType()));
            }
        }
        boolean output = role == TensorRole.OUTPUT || tied && role == TensorRole.TOKEN_EMBEDDING && pattern < 0;
        if (output && options.outputTensorType() != null) {
            return Optional.of(new Wish(
                    options.outputTensorType(),
                    Rule.OUTPUT_OPTION,
                    "--output-tensor-type " + options.outputTensorType()));
        }
        if (pattern < 0) {
            return Optional.empty();
        }
        used[pattern]++;
        TypeOverride override = options.overrides().get(pattern);
        return Optional.of(new Wish(override.type(), Rule.OVERRIDE, "--tensor-type " + override));
    }

    private int firstMatch(String name) {
        for (int i = 0; i < used.length; i++) {
            if (options.overrides().get(i).matches(name)) {
                return i;
            }
        }
        return -1;
    }

    private Wish byFileType(InputTensor tensor, TensorRole role) {
        BlockType main = fileType.mainType().orElseThrow();
        if (mix == null || options.pure()) {
            return new Wish(main, Rule.DEFAULT, options.pure() ? "--pure " + fileType : "main type of " + fileType);
        }
        Mix.Pick pick = mix.pick(tensor, role);
        if (pick.type() == main) {
            return new Wish(main, Rule.DEFAULT, "main type of " + fileType);
        }
        int bits = Double.compare(pick.type().bitsPerElement(), main.bitsPerElement());
        String change = bits > 0 ? "more bits" : bits < 0 ? "fewer bits" : "another type of as many bits";
        String because = pick.because().isEmpty() ? "" : ", " + pick.because();
        return new Wish(
                pick.type(), Rule.MIX, role.describe(tensor.name()) + ": " + change + " in " + fileType + because);
    }

    private static TypeChoice exactly(InputTensor tensor, Wish wish) {
        if (!ShapeFallback.fits(tensor.shape().columns(), wish.type())) {
            throw new InvalidInputException(misfit(tensor, wish.type()) + " (" + wish.detail() + ")");
        }
        return choice(tensor, wish);
    }

    private TypeChoice orSubstitute(InputTensor tensor, TensorRole role, Wish wish) {
        long columns = tensor.shape().columns();
        if (ShapeFallback.fits(columns, wish.type())) {
            return choice(tensor, wish);
        }
        Optional<BlockType> substitute =
                options.pure() ? ShapeFallback.of(wish.type(), columns) : mix.substitute(tensor, role, wish.type());
        BlockType type = substitute.orElseThrow(() ->
                new InvalidInputException(misfit(tensor, wish.type()) + ", and there is no substitute for this type"));
        if (options.noFallback()) {
            throw new InvalidInputException(
                    misfit(tensor, wish.type()) + ", and --no-fallback forbids " + type + " instead");
        }
        return new TypeChoice(
                tensor.name(),
                tensor.shape(),
                tensor.encoding(),
                type,
                wish.type(),
                Rule.FALLBACK,
                "instead of " + wish.type() + ", whose blocks of " + wish.type().blockElements()
                        + " do not divide rows of " + columns + " columns");
    }

    private static TypeChoice choice(InputTensor tensor, Wish wish) {
        return new TypeChoice(
                tensor.name(), tensor.shape(), tensor.encoding(), wish.type(), wish.type(), wish.rule(), wish.detail());
    }

    private static String misfit(InputTensor tensor, BlockType type) {
        return "Cannot quantize " + tensor.name() + " to " + type + ": its rows have "
                + tensor.shape().columns() + " columns, not a multiple of the block of " + type.blockElements();
    }

    private List<String> warnings(List<InputTensor> tensors) {
        List<String> warnings = new ArrayList<>();
        for (int i = 0; i < used.length; i++) {
            TypeOverride override = options.overrides().get(i);
            if (used[i] == 0) {
                List<InputTensor> matched = tensors.stream()
                        .filter(tensor -> override.matches(tensor.name()))
                        .toList();
                String why = matched.isEmpty()
                        ? "the pattern is found in no tensor's name"
                        : matched.stream().allMatch(tensor -> unchanged(tensor).isPresent())
                                ? "the pattern is found only in tensors that are never quantized"
                                : "earlier patterns or other options decide all tensors that it is found in";
                warnings.add("--tensor-type " + override + " has no effect: " + why);
            }
        }
        if (options.leaveOutputTensor() && tied) {
            warnings.add("--leave-output-tensor has no effect: the model has no output.weight");
        }
        boolean embedded =
                tensors.stream().anyMatch(tensor -> TensorRole.of(tensor.name()) == TensorRole.TOKEN_EMBEDDING);
        if (options.tokenEmbeddingType() != null && !embedded) {
            warnings.add("--token-embedding-type has no effect: the model has no token_embd.weight");
        }
        if (options.outputTensorType() != null && tied && (!embedded || options.tokenEmbeddingType() != null)) {
            warnings.add("--output-tensor-type has no effect: the model has no output.weight");
        }
        return warnings;
    }

    /** Refuses the first choice whose source or importance does not allow it. */
    static void check(TypeChoices choices, TypeOptions options) {
        for (TypeChoice choice : choices.choices()) {
            boolean quantizes = !choice.isCopied() && choice.rule() != Rule.KEPT;
            if (quantizes) {
                checkSource(choice, options);
                checkImportance(choice, options);
            }
        }
    }

    private static void checkSource(TypeChoice choice, TypeOptions options) {
        boolean quantized = choice.source() instanceof BlockType type && !type.isScalar();
        if (quantized && !options.allowRequantize()) {
            throw new InvalidInputException("Cannot quantize " + choice.name() + " to " + choice.type()
                    + ": it is quantized to " + choice.source().label()
                    + " already, and twice costs accuracy; --allow-requantize does it nevertheless");
        }
    }

    private static void checkImportance(TypeChoice choice, TypeOptions options) {
        if (!needsImportance(choice, options.fileType())) {
            return;
        }
        String refusal = "Cannot quantize " + choice.name() + " to " + choice.type() + " in " + options.fileType();
        if (options.importance() == null) {
            throw new InvalidInputException(refusal + " without an importance matrix: give one with --imatrix");
        }
        if (!options.importance().test(choice.name())) {
            throw new InvalidInputException(refusal + ": the importance matrix has no entry for it");
        }
    }

    private static boolean needsImportance(TypeChoice choice, FileType fileType) {
        TensorRole role = TensorRole.of(choice.name());
        if (role == TensorRole.OUTPUT || role == TensorRole.TOKEN_EMBEDDING) {
            return false;
        }
        return switch (choice.type()) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS -> true;
            case Q2_K -> fileType == FileType.Q2_K_S;
            default -> false;
        };
    }
}
