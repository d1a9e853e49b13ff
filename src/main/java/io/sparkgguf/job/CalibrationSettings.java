package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.job.qat.QatRequest;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.Serializable;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * The calibration of a run: on which text, and what is made of it.
 *
 * @param files texts, folders, globs or token files; at least one
 * @param maxTokens tokens that are taken at the most; all when there are fewer
 * @param sequenceLength tokens of a sequence; 0 for {@value #DEFAULT_SEQUENCE}, or the model's context if that is shorter
 * @param packing how text becomes sequences
 * @param seed of the order of documents and of the choice of held-out sequences
 * @param holdOut share of the sequences that judge and never make a result, in [0, 0.5]; 0 for no guard
 * @param tokenizer a {@code tokenizer.json}, or null for the model's own
 * @param gptq how rows are solved
 * @param minBits types of so many bits a weight and more are rounded by importance, for little is left to gain there
 * @param propagate what the next block sees
 * @param targetCorrection share of the step by which weights are moved, before they are solved, towards the outputs that
 *     the original weights before them gave, in [0, 1]; 0 for none, and no second pass with the original weights
 * @param trueSequential whether inputs are seen again behind each group of quantized layers within a block
 * @param head whether the output head is solved as well
 * @param stopOnNonFinite whether an activation that is no finite number ends the run, instead of leaving this block and
 *     the following ones to plain rounding
 * @param work how the sums are cut
 * @param qat what is trained behind GPTQ; null for nothing
 */
public record CalibrationSettings(
        List<String> files,
        long maxTokens,
        int sequenceLength,
        Packing packing,
        long seed,
        double holdOut,
        String tokenizer,
        GptqOptions gptq,
        double minBits,
        Propagate propagate,
        double targetCorrection,
        boolean trueSequential,
        boolean head,
        boolean stopOnNonFinite,
        Work work,
        QatRequest qat)
        implements Serializable {
    /** 128 sequences of 2,048. */
    public static final long DEFAULT_TOKENS = 262_144;

    public static final int DEFAULT_SEQUENCE = 2048;
    public static final double DEFAULT_HOLD_OUT = 0.1;
    public static final double DEFAULT_MIN_BITS = 6;
    public static final double DEFAULT_TARGET_CORRECTION = 0.5;

    /** Which weights make the inputs of the blocks that follow. */
    public enum Propagate {
        /** Those of the file: later blocks make up for the errors of earlier ones. */
        QUANTIZED,
        /** Those of the checkpoint. */
        ORIGINAL
    }

    /**
     * How work is cut. Sums are taken shard by shard, so the shard is part of the result's definition in the last bits; the
     * tile and the memory are not.
     *
     * @param shardTokens tokens that one task takes through a block, a whole sequence at least
     * @param tileSize rows of a Hessian's tile
     * @param taskMemory bytes that a task may hold of tiles while it sums or factors, one tile at least
     * @param solveMemory bytes that solving a slice of rows may hold
     * @param wholeColumns columns of a Hessian up to which one task makes its factor; that of a larger one is made by many
     */
    public record Work(int shardTokens, int tileSize, long taskMemory, long solveMemory, int wholeColumns)
            implements Serializable {
        public static final int WHOLE_COLUMNS = 6144;

        public static final Work DEFAULT = new Work(8192, 512, 512L << 20, 256L << 20);

        /** With factors cut as a rule. */
        public Work(int shardTokens, int tileSize, long taskMemory, long solveMemory) {
            this(shardTokens, tileSize, taskMemory, solveMemory, WHOLE_COLUMNS);
        }

        public Work {
            requirePositive("--shard-tokens", shardTokens);
            requirePositive("--solve-memory", solveMemory);
            if (tileSize < 16 || tileSize > 8192 || taskMemory < 0) {
                throw new InvalidInputException("Cannot cut Hessians into tiles of " + tileSize + " rows, " + taskMemory
                        + " bytes of them in memory");
            }
        }

        private static void requirePositive(String option, long value) {
            if (value < 1) {
                throw new InvalidInputException("Cannot use " + option + " " + value + ": the least is 1");
            }
        }
    }

    public CalibrationSettings {
        files = List.copyOf(files);
        if (qat != null && holdOut == 0) {
            throw new InvalidInputException(
                    "Cannot train with --hold-out 0: sequences that are held out tell what training gained");
        }
        if (files.isEmpty()) {
            throw new IllegalArgumentException("Cannot calibrate on no text");
        }
        if (maxTokens < 2) {
            throw new InvalidInputException("Cannot use --calibration-tokens " + maxTokens + ": the least is 2");
        }
        if (sequenceLength < 0 || sequenceLength == 1 || sequenceLength > 1 << 20) {
            throw new InvalidInputException("Cannot use --sequence-length " + sequenceLength
                    + ": it must lie between 2 and 1048576, for example 2048");
        }
        if (!(holdOut >= 0 && holdOut <= 0.5)) {
            throw new InvalidInputException("Cannot use --hold-out " + holdOut
                    + ": it is a share of the sequences between 0 and 0.5, for example 0.1");
        }
        if (!(minBits >= 0)) {
            throw new InvalidInputException("Cannot use --gptq-min-bits " + minBits + ": it must be 0 or more");
        }
        if (!(targetCorrection >= 0 && targetCorrection <= 1)) {
            throw new InvalidInputException("Cannot use --target-correction " + targetCorrection
                    + ": it is a share between 0 and 1, for example " + DEFAULT_TARGET_CORRECTION);
        }
        if (targetCorrection > 0 && propagate == Propagate.ORIGINAL) {
            throw new InvalidInputException("Cannot use --target-correction " + targetCorrection
                    + " with --propagate original: inputs of original weights have nothing to correct");
        }
    }

    /** The length of sequences for a model of this context. */
    public int sequenceLength(int context) {
        return sequenceLength != 0 ? sequenceLength : Math.min(DEFAULT_SEQUENCE, context);
    }

    CalibrationSettings renamed(UnaryOperator<String> name) {
        return new CalibrationSettings(
                files.stream().map(name).toList(),
                maxTokens,
                sequenceLength,
                packing,
                seed,
                holdOut,
                name.apply(tokenizer),
                gptq,
                minBits,
                propagate,
                targetCorrection,
                trueSequential,
                head,
                stopOnNonFinite,
                work,
                qat);
    }
}
