package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rounding to linear grids and measuring it: lanes against the scalar twins, bit by bit, and both against plain sums. */
class LinearKernelsTest {
    private static final int OFFSET = 3;

    private final Random random = new Random(11);

    /** Numbers around {@code scale * 2^(bits - 1)}: ties, what is clipped, zeros of both signs, subnormals. */
    private float[] numbers(int count, float scale) {
        float[] x = new float[OFFSET + count];
        for (int i = 0; i < count; i++) {
            x[OFFSET + i] = switch (random.nextInt(8)) {
                case 0 -> (random.nextInt(40) - 20 + 0.5f) * scale;
                case 1 -> random.nextBoolean() ? 0f : -0f;
                case 2 -> Float.MIN_VALUE * random.nextInt(100);
                case 3 -> (float) (1000 * scale * random.nextGaussian());
                default -> (float) (8 * scale * random.nextGaussian());
            };
        }
        return x;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15, 16, 17, 64, 100, 1027})
    void roundingAndCountingEqualTheirTwins(int count) {
        for (float scale : new float[] {1f, 0.0123f, Float.MIN_VALUE, 1e30f}) {
            float[] x = numbers(count, scale);
            float[] lanes = new float[count + 1];
            float[] scalar = new float[count + 1];
            LinearRounding.round(x, OFFSET, count, scale, -7, 8, lanes, 1);
            LinearRounding.roundScalar(x, OFFSET, count, scale, -7, 8, scalar, 1);
            assertArrayEquals(bits(scalar), bits(lanes), "scale " + scale);
            assertEquals(
                    LinearRounding.clippedScalar(x, OFFSET, count, scale, -7, 8),
                    LinearRounding.clipped(x, OFFSET, count, scale, -7, 8),
                    "scale " + scale);
            float above = 0f;
            float below = 0f;
            for (int i = OFFSET; i < x.length; i++) {
                above = Math.max(above, x[i]);
                below = Math.max(below, -x[i]);
            }
            assertEquals(above, LinearRounding.largestAboveZero(x, OFFSET, count));
            assertEquals(below, LinearRounding.largestBelowZero(x, OFFSET, count));
        }
    }

    private static int[] bits(float[] x) {
        int[] bits = new int[x.length];
        for (int i = 0; i < x.length; i++) {
            bits[i] = Float.floatToIntBits(x[i]);
        }
        return bits;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 32, 63, 64, 65, 300})
    void errorsOfManyGridsEqualTheirTwinAndThePlainSums(int count) {
        int grids = 96 + 5; // a rest that fills no vector
        float[] x = numbers(count, 0.01f);
        float[] weights = new float[count + 2];
        float[] scales = new float[grids];
        float[] lows = new float[grids];
        float[] highs = new float[grids];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = random.nextFloat();
        }
        for (int g = 0; g < grids; g++) {
            scales[g] = 0.001f * (g + 1);
            lows[g] = -random.nextInt(9);
            highs[g] = random.nextInt(9);
        }
        double[] lanes = new double[grids];
        double[] scalar = new double[grids];
        GridErrors.add(x, OFFSET, count, weights, 2, scales, lows, highs, grids, lanes);
        GridErrors.addScalar(x, OFFSET, count, weights, 2, scales, lows, highs, 0, grids, scalar);
        assertArrayEquals(scalar, lanes);
        float[] rounded = new float[count];
        double[] exact = new double[2];
        for (int g = 0; g < grids; g++) {
            LinearRounding.round(x, OFFSET, count, scales[g], (int) lows[g], (int) highs[g], rounded, 0);
            WeightedErrorSums.sumScalar(x, OFFSET, rounded, 0, weights, 2, count, exact);
            assertEquals(exact[0], lanes[g], 5e-6 * exact[0], "grid " + g + " of " + scales[g]);
        }
    }

    @Test
    void sumsGoOnFromWhatIsThere() {
        float[] x = {1.25f};
        double[] sums = {2.0};
        GridErrors.add(x, 0, 1, new float[] {2f}, 0, new float[] {1f}, new float[] {-1}, new float[] {1}, 1, sums);
        assertEquals(2.0 + 2 * 0.25 * 0.25, sums[0]);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15, 16, 17, 47, 4099})
    void weightedSumsEqualTheirTwinAndThePlainSums(int count) {
        float[] x = numbers(count, 0.02f);
        float[] y = new float[count];
        float[] weights = new float[count + 1];
        double error = 0;
        double square = 0;
        for (int i = 0; i < count; i++) {
            y[i] = x[OFFSET + i] + (float) (0.01 * random.nextGaussian());
            weights[1 + i] = random.nextFloat();
            error += weights[1 + i] * Math.pow((double) x[OFFSET + i] - y[i], 2);
            square += weights[1 + i] * Math.pow(x[OFFSET + i], 2);
        }
        double[] lanes = {1, 1};
        double[] scalar = {2, 2};
        WeightedErrorSums.sum(x, OFFSET, y, 0, weights, 1, count, lanes);
        WeightedErrorSums.sumScalar(x, OFFSET, y, 0, weights, 1, count, scalar);
        assertArrayEquals(scalar, lanes);
        assertEquals(error, lanes[0], 1e-12 * error);
        assertEquals(square, lanes[1], 1e-12 * square);
        assertTrue(count == 0 || lanes[1] >= 0);
    }
}
