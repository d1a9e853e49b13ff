package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * What an error of each element weighs: {@code importance * sqrt(spread + x²)}, or x² when there is no importance.
 *
 * <p>The spread is the mean of x² over a row or a (super-)block, summed in order, times one or two.
 *
 * <p>Source: the quantize functions of ggml that take quant_weights; without fused multiply-add.
 */
final class ImportanceWeights {
    private ImportanceWeights() {}

    /** The sum of x² in order. */
    static float squares(float[] x, int at, int elements) {
        float sum = 0;
        for (int i = at; i < at + elements; i++) {
            sum += x[i] * x[i];
        }
        return sum;
    }

    /** Four rows at once, since each sum waits for its own last addition: sums of {@code rows} rows of {@code columns} elements. */
    static void squares(float[] x, int at, int rows, int columns, float[] sums) {
        int row = 0;
        for (; row + 4 <= rows; row += 4) {
            int at0 = at + row * columns;
            int at1 = at0 + columns;
            int at2 = at1 + columns;
            int at3 = at2 + columns;
            float sum0 = 0;
            float sum1 = 0;
            float sum2 = 0;
            float sum3 = 0;
            for (int i = 0; i < columns; i++) {
                sum0 += x[at0 + i] * x[at0 + i];
                sum1 += x[at1 + i] * x[at1 + i];
                sum2 += x[at2 + i] * x[at2 + i];
                sum3 += x[at3 + i] * x[at3 + i];
            }
            sums[row] = sum0;
            sums[row + 1] = sum1;
            sums[row + 2] = sum2;
            sums[row + 3] = sum3;
        }
        for (; row < rows; row++) {
            sums[row] = squares(x, at + row * columns, columns);
        }
    }

    /** The weights of {@code elements} elements; the scalar definition. */
    static void scalar(
            float[] x, int at, int elements, float spread, float[] importance, int importanceAt, float[] weights) {
        for (int i = 0; i < elements; i++) {
            float v = x[at + i];
            weights[i] = importance == null ? v * v : importance[importanceAt + i] * (float) Math.sqrt(spread + v * v);
        }
    }

    /** The sums of x² in order, times {@code factor}, of a tile of {@code elements} elements in lanes. */
    static void spreads(float[] x, int elements, float factor, float[] spread) {
        FloatVector sum = FloatVector.zero(Lanes.FLOATS);
        for (int i = 0; i < elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            sum = sum.add(v.mul(v));
        }
        sum.mul(factor).intoArray(spread, 0);
    }

    /**
     * The weights of a tile of {@code elements} elements in lanes.
     *
     * @param spread one a lane
     * @param weights holds the importance in lanes and receives the weights
     */
    static void lanes(float[] x, int elements, float[] spread, float[] weights) {
        FloatVector s = FloatVector.fromArray(Lanes.FLOATS, spread, 0);
        for (int i = 0; i < elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            FloatVector importance = FloatVector.fromArray(Lanes.FLOATS, weights, i);
            importance.mul(s.add(v.mul(v)).sqrt()).intoArray(weights, i);
        }
    }

    /** The weights of a tile of {@code elements} elements in lanes when there is no importance: x². */
    static void lanes(float[] x, int elements, float[] weights) {
        for (int i = 0; i < elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            v.mul(v).intoArray(weights, i);
        }
    }

    /** The sums of the weights of a tile of {@code elements} elements in lanes, in order. */
    static void sums(float[] weights, int at, int elements, float[] sums, int sumsAt) {
        FloatVector sum = FloatVector.zero(Lanes.FLOATS);
        for (int i = at; i < at + elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            sum = sum.add(FloatVector.fromArray(Lanes.FLOATS, weights, i));
        }
        sum.intoArray(sums, sumsAt);
    }
}
