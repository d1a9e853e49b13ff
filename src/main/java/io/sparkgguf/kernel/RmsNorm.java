package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * RMS norm: each row divided by the root of its mean square, then multiplied by a weight for each column.
 *
 * <p>Square i of a row is added to partial sum i % 16 in float32, in order; the 16 are added in order in float64. So the
 * result does not depend on the vector's width.
 */
public final class RmsNorm {
    static final int PARTIALS = 16;

    private RmsNorm() {}

    /**
     * Norms {@code rows} rows that follow each other; {@code out} may be {@code x}, at the same index. A row whose squares
     * add up to no finite number becomes NaN.
     *
     * @param weight {@code columns} factors from index 0
     * @param epsilon added to the mean of the squares
     */
    public static void of(
            float[] x, int at, int rows, int columns, float[] weight, float epsilon, float[] out, int outAt) {
        float[] partials = new float[PARTIALS];
        for (int row = 0; row < rows; row++) {
            int from = at + row * columns;
            squares(x, from, columns, partials);
            scale(x, from, columns, weight, factor(partials, columns, epsilon), out, outAt + row * columns);
        }
    }

    static void ofScalar(
            float[] x, int at, int rows, int columns, float[] weight, float epsilon, float[] out, int outAt) {
        for (int row = 0; row < rows; row++) {
            float[] partials = new float[PARTIALS];
            int from = at + row * columns;
            for (int i = 0; i < columns; i++) {
                partials[i % PARTIALS] += x[from + i] * x[from + i];
            }
            float factor = factor(partials, columns, epsilon);
            for (int i = 0; i < columns; i++) {
                out[outAt + row * columns + i] = x[from + i] * factor * weight[i];
            }
        }
    }

    static void squares(float[] x, int at, int columns, float[] partials) {
        int whole = columns - columns % PARTIALS;
        for (int c = 0; c < PARTIALS; c += Lanes.WIDTH) {
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            for (int i = c; i < whole; i += PARTIALS) {
                FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, at + i);
                sum = sum.add(v.mul(v));
            }
            sum.intoArray(partials, c);
        }
        for (int i = whole; i < columns; i++) {
            partials[i - whole] += x[at + i] * x[at + i];
        }
    }

    /** What a row is multiplied by, from its partial sums of squares. */
    static float factor(float[] partials, int columns, float epsilon) {
        double sum = 0;
        for (float partial : partials) {
            sum += partial;
        }
        // an overflow would otherwise silently make a row of zeros
        return sum <= Double.MAX_VALUE ? (float) (1 / Math.sqrt(sum / columns + epsilon)) : Float.NaN;
    }

    private static void scale(float[] x, int at, int columns, float[] weight, float factor, float[] out, int outAt) {
        int i = 0;
        for (; i <= columns - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, x, at + i)
                    .mul(factor)
                    .mul(FloatVector.fromArray(Lanes.FLOATS, weight, i))
                    .intoArray(out, outAt + i);
        }
        for (; i < columns; i++) {
            out[outAt + i] = x[at + i] * factor * weight[i];
        }
    }
}
