package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Rounds rows to 8-bit levels of a scale of their own and back: what BitNet b1.58's linear layers do to each token that they
 * read.
 *
 * <p>With the factor f = 127 / max(largest |x|, 1e-5), x becomes round(x * f) / f, halves to even, as ActQuant of
 * transformers' BitNet integration does it; every step is rounded to float32 by itself.
 */
public final class Int8Rounding {
    private static final float LEVELS = 127f;
    private static final float SMALLEST = 1e-5f;

    /** Added and taken away again, it leaves the nearest whole number of what is below 2^22. */
    private static final float WHOLE = 0x1.8p23f;

    private Int8Rounding() {}

    /** Rounds {@code rows} rows of finite values that follow each other, in place. */
    public static void rows(float[] x, int at, int rows, int columns) {
        for (int row = 0; row < rows; row++) {
            int from = at + row * columns;
            round(x, from, columns, LEVELS / Math.max(largest(x, from, columns), SMALLEST));
        }
    }

    static void rowsScalar(float[] x, int at, int rows, int columns) {
        for (int row = 0; row < rows; row++) {
            int from = at + row * columns;
            float largest = 0;
            for (int i = from; i < from + columns; i++) {
                largest = Math.max(largest, Math.abs(x[i]));
            }
            float factor = LEVELS / Math.max(largest, SMALLEST);
            for (int i = from; i < from + columns; i++) {
                x[i] = ((float) Math.rint(x[i] * factor) + 0f) / factor; // no negative zero
            }
        }
    }

    private static float largest(float[] x, int at, int columns) {
        FloatVector most = FloatVector.zero(Lanes.FLOATS);
        int i = 0;
        for (; i <= columns - Lanes.WIDTH; i += Lanes.WIDTH) {
            most = most.max(FloatVector.fromArray(Lanes.FLOATS, x, at + i).abs());
        }
        float largest = most.reduceLanes(VectorOperators.MAX);
        for (; i < columns; i++) {
            largest = Math.max(largest, Math.abs(x[at + i]));
        }
        return largest;
    }

    private static void round(float[] x, int at, int columns, float factor) {
        int i = 0;
        for (; i <= columns - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, x, at + i)
                    .mul(factor)
                    .add(WHOLE)
                    .sub(WHOLE)
                    .div(factor)
                    .intoArray(x, at + i);
        }
        for (; i < columns; i++) {
            x[at + i] = (x[at + i] * factor + WHOLE - WHOLE) / factor;
        }
    }
}
