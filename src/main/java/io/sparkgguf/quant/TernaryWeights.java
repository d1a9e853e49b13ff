package io.sparkgguf.quant;

/**
 * The weights of BitNet b1.58, each -s, 0 or s with one s for a tensor.
 *
 * <p>Source: "The Era of 1-bit LLMs" (Ma et al., 2024), and the rounding of transformers' BitNet integration.
 */
public final class TernaryWeights {
    /** What a mean that rounding divides by is at the least. */
    private static final float SMALLEST_MEAN = 1e-5f;

    /** Packed bits that stand for no level. */
    private static final int NO_LEVEL = 3;

    private TernaryWeights() {}

    /**
     * Takes one level of each packed byte: two bits, of which the level is one less.
     *
     * @param weights {@code count} bytes as numbers from 0 to 255, from index {@code at}; become -scale, 0 and scale
     * @param field which two bits, 0 for the lowest
     * @return the index, less {@code at}, of the first byte whose bits stand for no level, at which it ends; or -1
     */
    public static int unpack(float[] weights, int at, int count, int field, float scale) {
        for (int i = 0; i < count; i++) {
            int bits = (int) weights[at + i] >> 2 * field & 3;
            if (bits == NO_LEVEL) {
                return i;
            }
            weights[at + i] = (bits - 1) * scale + 0f; // no negative zero
        }
        return -1;
    }

    /** The factor of absmean rounding: one over the mean of |w|. */
    public static float factor(double meanMagnitude) {
        return 1f / Math.max((float) meanMagnitude, SMALLEST_MEAN);
    }

    /** Absmean rounding: w becomes round(w * factor), halves to even, at most 1 in magnitude, over the factor. NaN and infinities stay. */
    public static void round(float[] weights, int at, int count, float factor) {
        float scale = 1f / factor;
        for (int i = at; i < at + count; i++) {
            float w = weights[i];
            if (Float.isFinite(w)) {
                double level = Math.rint(w * factor);
                weights[i] = level > 0 ? scale : level < 0 ? -scale : 0f;
            }
        }
    }
}
