package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/**
 * What was asked about types.
 *
 * @param fileType the type of the file
 * @param pure whether the main type goes to every tensor that can have it, without the mix; default false
 * @param leaveOutputTensor whether {@code output.weight} is kept as it is; default false
 * @param outputTensorType the type of {@code output.weight}, or of the embeddings that serve as such; null: by the mix
 * @param tokenEmbeddingType the type of {@code token_embd.weight}; null: by the mix
 * @param overrides types by name, the first that matches wins; default none
 * @param noFallback whether a tensor whose rows the blocks do not divide is refused rather than given a substitute;
 *     default false
 * @param allowRequantize whether tensors that are quantized already may be quantized to another type; default false
 * @param keepOrder whether tensors stay in the order given (that of the source's shards) rather than sorted; default false
 * @param importance whether the importance matrix has values for the tensor of a name; null when there is no matrix at all
 * @param target what size the file is to have; null when the mix decides it
 */
public record TypeOptions(
        FileType fileType,
        boolean pure,
        boolean leaveOutputTensor,
        BlockType outputTensorType,
        BlockType tokenEmbeddingType,
        List<TypeOverride> overrides,
        boolean noFallback,
        boolean allowRequantize,
        boolean keepOrder,
        Predicate<String> importance,
        SizeTarget target) {

    /**
     * @throws InvalidInputException when options contradict each other, or a type cannot be encoded
     */
    public TypeOptions {
        Objects.requireNonNull(fileType, "fileType");
        overrides = List.copyOf(overrides);
        if (outputTensorType != null) {
            WeightTypes.requireEncoder(outputTensorType);
        }
        if (tokenEmbeddingType != null) {
            WeightTypes.requireEncoder(tokenEmbeddingType);
        }
        if (leaveOutputTensor && outputTensorType != null) {
            throw new InvalidInputException("Cannot combine --leave-output-tensor with --output-tensor-type "
                    + outputTensorType + ": one keeps output.weight as it is, the other changes it");
        }
        if (fileType == FileType.COPY) {
            refuseWithCopy(pure, "--pure");
            refuseWithCopy(outputTensorType != null, "--output-tensor-type");
            refuseWithCopy(tokenEmbeddingType != null, "--token-embedding-type");
            refuseWithCopy(!overrides.isEmpty(), "--tensor-type");
        }
        if (target != null && pure) {
            throw new InvalidInputException("Cannot combine " + target.option()
                    + " with --pure: one chooses each tensor's type, the other gives all the same");
        }
        if (target != null && !fileType.quantizes()) {
            throw new InvalidInputException("Cannot combine " + target.option() + " with type " + fileType
                    + ": it has one size; name a quantized type, or none");
        }
    }

    /** The same for a file of another type. */
    TypeOptions withFileType(FileType other) {
        return with(other, noFallback, importance, target);
    }

    /** The same with substitutes allowed. */
    TypeOptions withoutRefusals() {
        return with(fileType, false, importance, target);
    }

    /** The same with another importance. */
    public TypeOptions withImportance(Predicate<String> other) {
        return with(fileType, noFallback, other, target);
    }

    /** The same with files that the target names renamed by {@code name}, which gets null too. */
    public TypeOptions renamed(UnaryOperator<String> name) {
        return target == null ? this : with(fileType, noFallback, importance, target.renamed(name));
    }

    private TypeOptions with(
            FileType newFileType, boolean newNoFallback, Predicate<String> newImportance, SizeTarget newTarget) {
        return new TypeOptions(
                newFileType,
                pure,
                leaveOutputTensor,
                outputTensorType,
                tokenEmbeddingType,
                overrides,
                newNoFallback,
                allowRequantize,
                keepOrder,
                newImportance,
                newTarget);
    }

    private static void refuseWithCopy(boolean given, String option) {
        if (given) {
            throw new InvalidInputException(
                    "Cannot combine type COPY with " + option + ": COPY keeps every tensor as it is");
        }
    }

    /** The defaults. */
    public static TypeOptions of(FileType fileType) {
        return builder(fileType).build();
    }

    public static Builder builder(FileType fileType) {
        return new Builder(fileType);
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {
        private final FileType fileType;
        private boolean pure;
        private boolean leaveOutputTensor;
        private BlockType outputTensorType;
        private BlockType tokenEmbeddingType;
        private List<TypeOverride> overrides = List.of();
        private boolean noFallback;
        private boolean allowRequantize;
        private boolean keepOrder;
        private Predicate<String> importance;
        private SizeTarget target;

        private Builder(FileType fileType) {
            this.fileType = fileType;
        }

        public Builder pure(boolean value) {
            pure = value;
            return this;
        }

        public Builder leaveOutputTensor(boolean value) {
            leaveOutputTensor = value;
            return this;
        }

        public Builder outputTensorType(BlockType value) {
            outputTensorType = value;
            return this;
        }

        public Builder tokenEmbeddingType(BlockType value) {
            tokenEmbeddingType = value;
            return this;
        }

        public Builder overrides(List<TypeOverride> value) {
            overrides = value;
            return this;
        }

        public Builder noFallback(boolean value) {
            noFallback = value;
            return this;
        }

        public Builder allowRequantize(boolean value) {
            allowRequantize = value;
            return this;
        }

        public Builder keepOrder(boolean value) {
            keepOrder = value;
            return this;
        }

        public Builder importance(Predicate<String> value) {
            importance = value;
            return this;
        }

        public Builder target(SizeTarget value) {
            target = value;
            return this;
        }

        public TypeOptions build() {
            return new TypeOptions(
                    fileType,
                    pure,
                    leaveOutputTensor,
                    outputTensorType,
                    tokenEmbeddingType,
                    overrides,
                    noFallback,
                    allowRequantize,
                    keepOrder,
                    importance,
                    target);
        }
    }
}
