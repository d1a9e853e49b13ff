package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernels of a backward pass against central differences in float64, and bit by bit against their scalar twins. */
class GradientKernelsTest {
    private static final long SEED = 20261126;

    private static float[] normals(Random random, int count, double scale) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (scale * random.nextGaussian());
        }
        return x;
    }

    private static double slope(DoubleUnaryOperator function, double x) {
        double step = 1e-5;
        return (function.applyAsDouble(x + step) - function.applyAsDouble(x - step)) / (2 * step);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 16, 33, 256})
    void normGradientIsThatOfDifferences(int columns) {
        Random random = new Random(SEED + columns);
        int rows = 3;
        float epsilon = 1e-2f;
        float[] x = normals(random, 2 + rows * columns, 1);
        float[] weight = normals(random, columns, 1);
        float[] dy = normals(random, 1 + rows * columns, 1);
        float[] before = normals(random, 3 + rows * columns, 1);
        float[] dx = before.clone();
        RmsNormGradient.add(x, 2, rows, columns, weight, epsilon, dy, 1, dx, 3);
        for (int i = 0; i < rows * columns; i++) {
            int row = i / columns;
            int moved = i % columns;
            double expected = slope(
                    value -> {
                        double squares = 0;
                        double product = 0;
                        for (int c = 0; c < columns; c++) {
                            double element = c == moved ? value : x[2 + row * columns + c];
                            squares += element * element;
                            product += element * weight[c] * dy[1 + row * columns + c];
                        }
                        return product / Math.sqrt(squares / columns + epsilon);
                    },
                    x[2 + i]);
            assertEquals(expected, dx[3 + i] - before[3 + i], 1e-5, "element " + i + ", seed " + (SEED + columns));
        }
        float[] twin = before.clone();
        RmsNormGradient.addScalar(x, 2, rows, columns, weight, epsilon, dy, 1, twin, 3);
        assertArrayEquals(twin, dx, "twin, seed " + (SEED + columns));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 16, 37, 2050})
    void gateGradientIsThatOfDifferences(int count) {
        Random random = new Random(SEED + count);
        float[] gate = normals(random, 1 + count, 4);
        float[] up = normals(random, 2 + count, 1);
        float[] d = normals(random, 3 + count, 1);
        float[] dGate = gate.clone();
        float[] dUp = up.clone();
        PointwiseGradient.gate(dGate, 1, dUp, 2, d, 3, count);
        for (int i = 0; i < count; i++) {
            double g = gate[1 + i];
            double u = up[2 + i];
            double given = d[3 + i];
            double byGate = slope(value -> value / (1 + StrictMath.exp(-value)) * u * given, g);
            assertEquals(byGate, dGate[1 + i], 3e-6 * Math.abs(u * given) + 1e-9, "gate " + g);
            assertEquals(g / (1 + StrictMath.exp(-g)) * given, dUp[2 + i], 3e-6 * Math.abs(g * given) + 1e-9);
        }
        float[] twinGate = gate.clone();
        float[] twinUp = up.clone();
        PointwiseGradient.gateScalar(twinGate, 1, twinUp, 2, d, 3, count);
        assertArrayEquals(twinGate, dGate, "twin, seed " + (SEED + count));
        assertArrayEquals(twinUp, dUp, "twin, seed " + (SEED + count));
    }

    @Test
    void gateGradientStaysFiniteFarOut() {
        float[] gate = {-1000, -100, 100, 1000};
        float[] up = {2, 2, 2, 2};
        PointwiseGradient.gate(gate, 0, up, 0, new float[] {1, 1, 1, 1}, 0, 4);
        assertArrayEquals(new float[] {0, 0, 2, 2}, gate, 1e-30f);
        assertArrayEquals(new float[] {0, 0, 100, 1000}, up, 1e-30f);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 16, 37})
    void softmaxGradientIsThatOfDifferences(int queries) {
        Random random = new Random(SEED + queries);
        int keys = 5;
        float[] scores = normals(random, keys * queries, 1);
        float[] slopes = normals(random, keys * queries, 1);
        float[] weights = new float[keys * queries];
        float[] means = new float[queries];
        for (int q = 0; q < queries; q++) {
            double sum = 0;
            for (int k = 0; k < keys; k++) {
                sum += StrictMath.exp(scores[k * queries + q]);
            }
            for (int k = 0; k < keys; k++) {
                int at = k * queries + q;
                weights[at] = (float) (StrictMath.exp(scores[at]) / sum);
                means[q] += weights[at] * slopes[at];
            }
        }
        float[] d = slopes.clone();
        float[] twin = slopes.clone();
        for (int k = 0; k < keys; k++) {
            PointwiseGradient.softmax(weights, k * queries, d, k * queries, means, queries);
            PointwiseGradient.softmaxScalar(weights, k * queries, twin, k * queries, means, 0, queries);
        }
        assertArrayEquals(twin, d, "twin, seed " + (SEED + queries));
        for (int i = 0; i < d.length; i++) {
            int query = i % queries;
            int moved = i / queries;
            double expected = slope(
                    value -> {
                        double sum = 0;
                        double product = 0;
                        for (int k = 0; k < keys; k++) {
                            double power = StrictMath.exp(k == moved ? value : scores[k * queries + query]);
                            sum += power;
                            product += power * slopes[k * queries + query];
                        }
                        return product / sum;
                    },
                    scores[i]);
            assertEquals(expected, d[i], 1e-6, "score " + i + ", seed " + (SEED + queries));
        }
        assertTrue(Math.abs(d[0]) > 1e-4);
    }
}
