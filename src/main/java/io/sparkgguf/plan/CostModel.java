package io.sparkgguf.plan;

import io.sparkgguf.tensor.BlockType;

/**
 * What a weight costs: nanoseconds of one core to read, encode, decode again for its error, and write. Measured on
 * AVX-512 cores with the benchmarks of this project; only ratios matter for the order of work, absolute values for the
 * estimates that a plan prints.
 */
public final class CostModel {
    private CostModel() {}

    /** Nanoseconds of one core for one weight. */
    public static double nanosPerWeight(BlockType target, boolean copied, boolean importance) {
        if (copied) {
            return 0.15 * target.bitsPerElement() / 8;
        }
        double encode = switch (target) {
            case F32, F16, BF16 -> 0.5;
            case Q8_0 -> 0.6;
            case Q4_0, Q5_0 -> importance ? 6 : 0.6;
            case Q4_1, Q5_1 -> importance ? 11 : 0.8;
            case Q2_K -> importance ? 13 : 8;
            case Q3_K -> importance ? 6 : 8;
            case Q4_K -> importance ? 12 : 7;
            case Q5_K -> importance ? 12 : 6;
            case Q6_K -> 6;
            case IQ4_NL, IQ4_XS -> 12;
            case TQ1_0, TQ2_0, Q1_0, Q2_0 -> 1;
            case MXFP4, NVFP4 -> 4;
            default -> 1;
        };
        return encode + 1.5;
    }

    /**
     * Nanoseconds of one core that solving adds for one weight: its share of the column loop, and of the errors of three
     * results under two Hessians.
     */
    public static double nanosOfSolving(int columns) {
        return columns * 0.1;
    }
}
