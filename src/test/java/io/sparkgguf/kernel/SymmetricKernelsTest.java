package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The parts of the symmetric encoders: what each promises by itself. */
class SymmetricKernelsTest {

    /** ggml bisects the table and compares two differences; a comparison with the midpoint decides the same. */
    @Test
    void midpointsDecideAsDifferencesDo() {
        for (int k = 0; k + 1 < NonlinearSearch.LEVELS.length; k++) {
            float midpoint = (NonlinearSearch.LEVELS[k] + NonlinearSearch.LEVELS[k + 1]) / 2f;
            float below = midpoint;
            float above = midpoint;
            for (int ulps = 0; ulps < 100_000; ulps++) {
                assertEquals(bisected(below), NonlinearSearch.nearest(below), () -> "near " + midpoint);
                assertEquals(bisected(above), NonlinearSearch.nearest(above), () -> "near " + midpoint);
                below = Math.nextDown(below);
                above = Math.nextUp(above);
            }
        }
        Random random = new Random(2);
        for (int i = 0; i < 1_000_000; i++) {
            float v = Float.intBitsToFloat(random.nextInt());
            assertEquals(bisected(v), NonlinearSearch.nearest(v), () -> "v = " + v);
            float w = 300 * random.nextFloat() - 150;
            assertEquals(bisected(w), NonlinearSearch.nearest(w), () -> "v = " + w);
        }
        assertEquals(15, NonlinearSearch.nearest(Float.NaN));
    }

    private static int bisected(float v) {
        int[] levels = NonlinearSearch.LEVELS;
        if (v <= levels[0]) {
            return 0;
        }
        if (v >= levels[15]) {
            return 15;
        }
        int low = 0;
        int high = 15;
        while (high - low > 1) {
            int middle = (low + high) / 2;
            if (v < levels[middle]) {
                high = middle;
            } else {
                low = middle;
            }
        }
        return v - levels[high - 1] < levels[high] - v ? high - 1 : high;
    }

    @Test
    void aSearchFindsTheGridThatWeightsLieOn() {
        for (int half = 4; half <= 32; half *= 2) {
            float[] x = new float[32];
            float[] w = new float[32];
            byte[] expected = new byte[32];
            for (int i = 0; i < 32; i++) {
                expected[i] = (byte) (i * 7 % (2 * half));
                x[i] = -0.25f * (expected[i] - half);
                w[i] = 1 + i % 3;
            }
            byte[] levels = new byte[32];
            assertEquals(-0.25f, SymmetricSearch.scalar(x, 0, 32, half, w, 0, levels, 0), "half " + half);
            assertArrayEquals(expected, levels, "half " + half);
        }
    }

    @Test
    void aDescentImprovesOnRounding() {
        int better = 0;
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            float[] x = new float[16];
            for (int i = 0; i < 16; i++) {
                x[i] = (float) random.nextGaussian();
            }
            byte[] levels = new byte[16];
            float scale = ThreeBitDescent.scalar(x, 0, levels, 0);
            float extreme = Extremes.scalar(x, 0, 16);
            double descended = 0;
            double rounded = 0;
            for (int i = 0; i < 16; i++) {
                double square = (double) x[i] * x[i];
                descended += square * Math.pow(scale * (levels[i] - 4) - x[i], 2);
                double level = Math.max(-4, Math.min(3, Math.rint(x[i] * -4 / extreme)));
                rounded += square * Math.pow(level * extreme / -4 - x[i], 2);
            }
            better += descended < rounded ? 1 : 0;
            assertTrue(descended <= rounded * 1.0001, descended + " against " + rounded + ", seed " + seed);
        }
        assertTrue(better > 270, "only " + better + " of 300 blocks gained");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 16, 32})
    void extremesAreTheFirstOfEqualMagnitude(int elements) {
        float[] values = {0f, -0f, 1f, -1f, 2f, -2f, Float.NaN, Float.MIN_VALUE, Float.POSITIVE_INFINITY};
        for (int seed = 0; seed < 500; seed++) {
            Random random = new Random(seed);
            float[] tile = new float[(elements + 2) * Lanes.WIDTH];
            for (int i = 0; i < tile.length; i++) {
                tile[i] = values[random.nextInt(seed % 2 == 0 ? 6 : values.length)];
            }
            float[] extremes = new float[Lanes.WIDTH + 1];
            Extremes.lanes(tile, 2 * Lanes.WIDTH, elements, extremes, 1);
            for (int lane = 0; lane < Lanes.WIDTH; lane++) {
                float[] block = new float[elements];
                for (int i = 0; i < elements; i++) {
                    block[i] = tile[(2 + i) * Lanes.WIDTH + lane];
                }
                assertEquals(
                        Float.floatToRawIntBits(Extremes.scalar(block, 0, elements)),
                        Float.floatToRawIntBits(extremes[1 + lane]),
                        "of " + Arrays.toString(block) + ", seed " + seed);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 32, 256, 24})
    void tilesHoldBlocksInLanes(int elements) {
        float[] x = new float[5 + 40 * elements];
        for (int i = 0; i < x.length; i++) {
            x[i] = i;
        }
        float[] tile = new float[elements * Lanes.WIDTH];
        int blocks = Lanes.WIDTH - 1;
        Lanes.gather(x, 5, blocks, elements, tile);
        float[] row = new float[elements * Lanes.WIDTH];
        Lanes.gatherCyclic(x, 5, 2, 3, elements, row);
        for (int b = 0; b < Lanes.WIDTH; b++) {
            for (int i = 0; i < elements; i++) {
                int block = b < blocks ? b : 0;
                assertEquals(5 + block * elements + i, tile[i * Lanes.WIDTH + b], "element " + i + " of " + b);
                int column = (2 + b) % 3 * elements + i;
                assertEquals(5 + column, row[i * Lanes.WIDTH + b], "importance " + i + " of " + b);
            }
        }
    }
}
