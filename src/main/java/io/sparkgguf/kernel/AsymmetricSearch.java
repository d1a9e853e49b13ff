package io.sparkgguf.kernel;

/**
 * The scale and the minimum of one block, x ≈ scale * level - minimum, by weighted least squares: the scalar definition.
 *
 * <p>Every candidate of the grid fixes levels by dividing the range; the scale and minimum that fit these levels best
 * follow in closed form from the weighted sums of l, l² and x·l. The pair of the smallest error wins. A minimum above
 * zero is not allowed: it is set to zero and the scale fitted alone.
 *
 * <p>One peculiarity of the source is part of the definition: an accepted candidate's minimum becomes the lower end of
 * the range for all candidates after it.
 *
 * <p>Source: make_qkx2_quants and make_qkx3_quants of ggml; operations and their order are theirs, in float without
 * fused multiply-add.
 */
final class AsymmetricSearch {
    /** The step between two levels. */
    float scale;
    /** What level zero stands for, negated: zero or more. */
    float minimum;
    /** The winner's levels are {@code nearest(inverse * (x - base))}, clamped. */
    float inverse;
    /** See {@link #inverse}. */
    float base;

    private final float[] trial = new float[32];

    /** {@link NearestInt#nearest}, clamped to 0 and {@code maxLevel}. */
    static int level(float v, int maxLevel) {
        return Math.max(0, Math.min(maxLevel, NearestInt.nearest(v)));
    }

    /** Searches for the block of {@code grid.elements()} weights from {@code x[at]}, their importance from {@code w[at]}. */
    void fit(float[] x, float[] w, int at, AsymmetricGrid grid) {
        int n = grid.elements();
        float min = x[at];
        float max = min;
        float sumW = w[at];
        float sumX = sumW * min;
        for (int i = 1; i < n; i++) {
            float xi = x[at + i];
            float wi = w[at + i];
            min = xi < min ? xi : min;
            max = xi > max ? xi : max;
            sumW += wi;
            sumX += wi * xi;
        }
        min = min > 0 ? 0 : min;
        if (max == min) {
            keep(0f, min, 0f, min);
            return;
        }
        float perLevel = grid.maxLevel() / (max - min);
        quantize(x, at, perLevel, min, grid);
        float best = error(x, w, at, 1 / perLevel, min, grid);
        keep(1 / perLevel, min, perLevel, min);
        for (int c = 0; c <= grid.steps(); c++) {
            perLevel = grid.stepsOfRange(c) / (max - min);
            quantize(x, at, perLevel, min, grid);
            float sumL = 0;
            float sumL2 = 0;
            float sumXL = 0;
            for (int i = 0; i < n; i++) {
                float l = trial[i];
                float wl = w[at + i] * l;
                sumL += wl;
                sumL2 += wl * l;
                sumXL += wl * x[at + i];
            }
            float determinant = sumW * sumL2 - sumL * sumL;
            if (determinant > 0) {
                float fittedScale = (sumW * sumXL - sumX * sumL) / determinant;
                float fittedMin = (sumL2 * sumX - sumL * sumXL) / determinant;
                if (fittedMin > 0) {
                    fittedMin = 0;
                    fittedScale = sumXL / sumL2;
                }
                float error = error(x, w, at, fittedScale, fittedMin, grid);
                if (error < best) {
                    best = error;
                    keep(fittedScale, fittedMin, perLevel, min);
                    min = fittedMin;
                }
            }
        }
    }

    /** The winner's levels, one a byte. */
    void levels(float[] x, int at, AsymmetricGrid grid, byte[] levels, int levelsAt) {
        for (int i = 0; i < grid.elements(); i++) {
            levels[levelsAt + i] = (byte) level(inverse * (x[at + i] - base), grid.maxLevel());
        }
    }

    private void keep(float scale, float min, float inverse, float base) {
        this.scale = scale;
        this.minimum = -min;
        this.inverse = inverse;
        this.base = base;
    }

    private void quantize(float[] x, int at, float perLevel, float min, AsymmetricGrid grid) {
        for (int i = 0; i < grid.elements(); i++) {
            trial[i] = level(perLevel * (x[at + i] - min), grid.maxLevel());
        }
    }

    private float error(float[] x, float[] w, int at, float scale, float min, AsymmetricGrid grid) {
        float sum = 0;
        for (int i = 0; i < grid.elements(); i++) {
            float e = scale * trial[i] + min - x[at + i];
            sum += w[at + i] * (grid.absolute() ? Math.abs(e) : e * e);
        }
        return sum;
    }
}
