package io.sparkgguf.plan;

import io.sparkgguf.tensor.BlockType;

/**
 * What work costs one core. Measured with the kernels of this project on an AVX-512 core (Xeon), JDK 17, warm and best of
 * several runs; the class CostMeasurement of the benchmarks measures it anew and prints these figures beside. What waiting
 * for storage takes is not in it, but what a core does for bytes that are read and written is.
 */
public final class CostModel {
    /** Floating-point operations a second of linear layers. */
    public static final double PRODUCT_RATE = 200e9;

    /** The same of the products that solve rows and judge the results. */
    public static final double SOLVE_RATE = 165e9;

    /** The same of a Hessian's sum over tokens. */
    public static final double GRAM_RATE = 190e9;

    /** The same, in float64, of factoring a Hessian and inverting the factor. */
    public static final double FACTOR_RATE = 70e9;

    /** Bytes a second that a core hashes. */
    public static final double DIGEST_RATE = 10e9;

    /** Bytes a second that a core reads from, or writes to, a file that memory holds. */
    public static final double FILE_RATE = 2.5e9;

    /** Nanoseconds for decoding a weight to float32. */
    public static final double DECODE_NANOS = 0.2;

    /** Nanoseconds for a weight in the column loop, beside products: its rounding and its share of leaves. */
    private static final double LOOP_NANOS = 12;

    /** Nanoseconds for a weight in a step of training, beside products: optimizer, rounding, decoding. */
    private static final double TRAIN_NANOS = 6;

    private CostModel() {}

    /** Seconds for a step of so many weights, beside the gradient. */
    public static double trainSeconds(long weights) {
        return weights * TRAIN_NANOS * 1e-9;
    }

    /**
     * Nanoseconds for one weight that is rounded: decoded from its source, encoded, decoded again, its error added up, its
     * bytes checked and hashed.
     *
     * @param copied whether the source's bytes are taken as they are
     * @param importance whether the columns are weighted
     */
    public static double nanosPerWeight(BlockType target, boolean copied, boolean importance) {
        if (copied) {
            return 0.4;
        }
        return switch (target) {
            case F32, F16 -> 1;
            case BF16, Q8_0, Q1_0, Q2_0 -> 0.7;
            case Q4_0, Q5_0 -> importance ? 3.4 : 0.9;
            case Q4_1, Q5_1 -> importance ? 8 : 1;
            case Q2_K -> importance ? 9.3 : 4.6;
            case Q3_K -> importance ? 3 : 2;
            case Q4_K -> importance ? 7.8 : 4.8;
            case Q5_K -> importance ? 7.9 : 4.3;
            case Q6_K -> 2.8;
            case IQ4_NL, IQ4_XS -> 5.5;
            case TQ1_0, TQ2_0, MXFP4 -> 1.2;
            case NVFP4 -> 1.9;
            default -> 2;
        };
    }

    /** Seconds for reading, writing or copying so many bytes. */
    public static double fileSeconds(long bytes) {
        return bytes / FILE_RATE;
    }

    /**
     * Nanoseconds for one weight that is solved, on top of rounding it with importance: the column loop and the sweeps, its
     * target, and the errors of three results and of the weights themselves.
     *
     * @param columns of the Hessian
     * @param sweeps times that all levels are looked at again
     * @param heldOut whether errors are taken under a second Hessian
     * @param corrected whether the target is moved towards the original outputs
     */
    public static double nanosOfSolving(BlockType target, int columns, int sweeps, boolean heldOut, boolean corrected) {
        int judged = heldOut ? 2 : 1;
        // operations for each column: the loop, the gradients of a sweep, four errors, two products and the correction
        double operations = 1 + 2 * sweeps + 4 * judged + (corrected ? 4 + 2 * judged : 0);
        return columns * operations / SOLVE_RATE * 1e9 + LOOP_NANOS + sweeps * nanosOfSweep(target);
    }

    /** Nanoseconds for a weight in a sweep, beside the gradient's product: levels and scales tried anew. */
    private static double nanosOfSweep(BlockType target) {
        return switch (target) {
            case Q3_K, Q4_0, Q5_0, Q6_K, Q8_0, IQ4_NL, IQ4_XS -> 48;
            case Q2_K -> 100;
            default -> 120; // two scales for each block
        };
    }

    /** Seconds for a product of so many floating-point operations. */
    public static double productSeconds(double operations) {
        return operations / PRODUCT_RATE;
    }

    /** Seconds for the sum of x xᵀ over tokens, of which one half is computed. */
    public static double gramSeconds(long tokens, int columns) {
        return (double) tokens * columns * columns / GRAM_RATE;
    }

    /** Seconds for factoring a Hessian and inverting the factor. */
    public static double factorSeconds(int columns) {
        return 2.0 / 3 * columns * columns * columns / FACTOR_RATE;
    }
}
