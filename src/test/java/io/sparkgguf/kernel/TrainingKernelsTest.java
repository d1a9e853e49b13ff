package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Straight-through gradients and optimizers' steps by their definitions, and bit by bit against their scalar twins. */
class TrainingKernelsTest {
    private static final long SEED = 20261128;

    private static float[] normals(Random random, int count, double scale) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (scale * random.nextGaussian());
        }
        return x;
    }

    /**
     * A grid of four levels: the gradients of scale and offset are those of differences with levels held; a weight's passes
     * within the grid and not beyond.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 16, 37})
    void gradientsPassWithinTheGridOnly(int count) {
        Random random = new Random(SEED + count);
        float[] scales = normals(random, count, 0.1);
        float[] offsets = normals(random, count, 0.1);
        scales[count / 2] = 0;
        float[] z = new float[count];
        float[] points = new float[count];
        for (int i = 0; i < count; i++) {
            z[i] = 6 * random.nextFloat() - 1.5f;
            points[i] = Math.max(0, Math.min(3, Math.round(z[i])));
        }
        float[] values = points.clone();
        StraightThrough.values(values, 0, count, scales, offsets, 0);
        float[] given = normals(random, count, 1);
        float[] d = given.clone();
        float[] dScales = new float[count];
        float[] dOffsets = new float[count];
        StraightThrough.gradient(z, values, d, 0, count, scales, offsets, 0, -0.5f, 3.5f, dScales, dOffsets);
        for (int i = 0; i < count; i++) {
            String what = "weight " + i + ", seed " + (SEED + count);
            float product = scales[i] * points[i];
            assertEquals(product - offsets[i], values[i], what);
            double step = 1e-3;
            double above = ((1 + step) * scales[i] * points[i] - offsets[i]) * given[i];
            double below = ((1 - step) * scales[i] * points[i] - offsets[i]) * given[i];
            assertEquals((above - below) / (2 * step), dScales[i], 1e-6, what);
            assertEquals(-given[i], dOffsets[i], what);
            assertEquals(z[i] >= -0.5f && z[i] <= 3.5f ? given[i] * scales[i] : 0, d[i], what);
        }
        float[] twin = given.clone();
        float[] twinScales = new float[count];
        float[] twinOffsets = new float[count];
        StraightThrough.scalar(z, values, twin, 0, 0, count, scales, offsets, 0, -0.5f, 3.5f, twinScales, twinOffsets);
        assertArrayEquals(twin, d);
        assertArrayEquals(twinScales, dScales);
        assertArrayEquals(twinOffsets, dOffsets);
        float[] twinValues = points.clone();
        StraightThrough.valuesScalar(twinValues, 0, 0, count, scales, offsets, 0);
        assertArrayEquals(twinValues, values);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 16, 37})
    void adamStepsAreByItsDefinition(int count) {
        Random random = new Random(SEED + count);
        float[] units = normals(random, count, 1);
        float[] x = normals(random, count, 1);
        float[] twin = x.clone();
        double[] exact = new double[count];
        float[] mean = new float[count];
        float[] square = new float[count];
        float[] twinMean = new float[count];
        float[] twinSquare = new float[count];
        double[] exactMean = new double[count];
        double[] exactSquare = new double[count];
        for (int i = 0; i < count; i++) {
            units[i] = Math.abs(units[i]);
            exact[i] = x[i] / units[i];
        }
        for (int number = 1; number <= 5; number++) {
            Steps.AdamW step = new Steps.AdamW(0.01f, 0.9f, 0.95f, number, 1e-8f, 0.1f);
            float[] gradient = normals(random, count, 1);
            Steps.adamW(step, x, gradient, mean, square, 0, count, units, 0);
            Steps.adamWScalar(step, twin, gradient, twinMean, twinSquare, 0, 0, count, units, 0);
            assertArrayEquals(twin, x, "twin, step " + number);
            for (int i = 0; i < count; i++) {
                double g = (double) gradient[i] * units[i];
                exactMean[i] = 0.9 * exactMean[i] + 0.1 * g;
                exactSquare[i] = 0.95 * exactSquare[i] + 0.05 * g * g;
                double m = exactMean[i] / (1 - Math.pow(0.9, number));
                double v = exactSquare[i] / (1 - Math.pow(0.95, number));
                exact[i] = exact[i] * (1 - 0.01 * 0.1) - 0.01 * m / (Math.sqrt(v) + 1e-8);
                assertEquals(exact[i] * units[i], x[i], 1e-5, "step " + number + ", seed " + (SEED + count));
            }
        }
    }

    @Test
    void signedStepsStayInReach() {
        int count = 37;
        Random random = new Random(SEED);
        float[] centre = normals(random, count, 1);
        float[] units = new float[count];
        Arrays.fill(units, 0.5f);
        float[] gradient = normals(random, count, 1);
        gradient[3] = 0;
        float[] x = centre.clone();
        float[] twin = centre.clone();
        for (int step = 1; step <= 8; step++) {
            Steps.sign(0.1f, 0.5f, x, gradient, centre, 0, count, units, 0);
            Steps.signScalar(0.1f, 0.5f, twin, gradient, centre, 0, 0, count, units, 0);
            assertArrayEquals(twin, x);
            for (int i = 0; i < count; i++) {
                float expected = centre[i] - Math.signum(gradient[i]) * Math.min(0.25f, 0.05f * step);
                assertEquals(expected, x[i], 1e-6f, "parameter " + i + " after step " + step);
            }
        }
        assertTrue(x[3] == centre[3], "nothing moves without a gradient");
    }
}
