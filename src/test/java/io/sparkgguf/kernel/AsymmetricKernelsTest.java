package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The parts of the asymmetric encoders: what each promises by itself. */
class AsymmetricKernelsTest {

    @ParameterizedTest(name = "{0} weights, levels to {1}, absolute error: {2}")
    @CsvSource({"16, 3, true", "16, 3, false", "32, 15, false", "32, 31, false"})
    void aSearchBeatsDividingTheRange(int n, int maxLevel, boolean absolute) {
        AsymmetricGrid grid = new AsymmetricGrid(n, maxLevel, -0.9f, 0.05f, 36, absolute);
        AsymmetricSearch search = new AsymmetricSearch();
        int better = 0;
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            float[] x = new float[n];
            float[] w = new float[n];
            byte[] levels = new byte[n];
            for (int i = 0; i < n; i++) {
                x[i] = (float) random.nextGaussian();
                w[i] = random.nextFloat();
            }
            search.fit(x, w, 0, grid);
            search.levels(x, 0, grid, levels, 0);
            float min = 0;
            float max = Float.NEGATIVE_INFINITY;
            for (float v : x) {
                min = Math.min(min, v);
                max = Math.max(max, v);
            }
            double searched = 0;
            double divided = 0;
            for (int i = 0; i < n; i++) {
                assertTrue(levels[i] >= 0 && levels[i] <= maxLevel, "level " + levels[i] + ", seed " + seed);
                double step = (max - min) / maxLevel;
                searched += w[i] * loss(search.scale * levels[i] - search.minimum - x[i], absolute);
                divided += w[i] * loss(Math.rint((x[i] - min) / step) * step + min - x[i], absolute);
            }
            assertTrue(search.minimum >= 0, "minimum " + search.minimum + ", seed " + seed);
            assertTrue(searched <= divided * 1.0001, searched + " against " + divided + ", seed " + seed);
            better += searched < divided * 0.98 ? 1 : 0;
        }
        assertTrue(better > 150, "only " + better + " of 200 blocks gained");
    }

    private static double loss(double e, boolean absolute) {
        return absolute ? Math.abs(e) : e * e;
    }

    @Test
    void aSearchFindsTheGridThatWeightsLieOn() {
        AsymmetricSearch search = new AsymmetricSearch();
        AsymmetricGrid grid = AsymmetricGrid.weighted(32, 15);
        float[] x = new float[32];
        float[] w = new float[32];
        byte[] expected = new byte[32];
        for (int i = 0; i < 32; i++) {
            expected[i] = (byte) (i * 7 % 16);
            x[i] = 0.25f * expected[i] - 1.5f;
            w[i] = 1 + i % 3;
        }
        byte[] levels = new byte[32];
        search.fit(x, w, 0, grid);
        search.levels(x, 0, grid, levels, 0);
        assertArrayEquals(expected, levels);
        assertEquals(0.25f, search.scale);
        assertEquals(1.5f, search.minimum);
    }

    @ParameterizedTest
    @ValueSource(ints = {15, 63})
    void scaleCodesOfExactMultiplesAreFound(int maxCode) {
        int n = maxCode == 15 ? 16 : 8;
        float[] scales = new float[n];
        float[] w = new float[n];
        int[] expected = new int[n];
        for (int i = 0; i < n; i++) {
            expected[i] = i * (maxCode / (n - 1)) + maxCode % (n - 1) * (i == n - 1 ? 1 : 0);
            scales[i] = 0.125f * expected[i];
            w[i] = 1 + i;
        }
        int[] codes = new int[n];
        assertEquals(0.125f, ScaleCodeSearch.fit(scales, w, n, maxCode, codes));
        assertArrayEquals(expected, codes);

        Arrays.fill(scales, 0.9e-15f);
        assertEquals(0f, ScaleCodeSearch.fit(scales, w, n, maxCode, codes), "too small to count");
        assertArrayEquals(new int[n], codes);
    }

    @ParameterizedTest
    @EnumSource
    void codesAreReadBackAsPacked(ScaleCodes packing) {
        Random random = new Random(8);
        int n = packing.subBlocks();
        for (int round = 0; round < 50; round++) {
            int[] scales =
                    random.ints(3 * n, packing.minCode(), packing.maxCode() + 1).toArray();
            int[] minima = random.ints(3 * n, 0, packing.maxCode() + 1).toArray();
            byte[] packed = new byte[2 + packing.bytes()];
            random.nextBytes(packed);
            packing.pack(scales, minima, 1, 3, packed, 2);
            for (int j = 0; j < n; j++) {
                assertEquals(scales[1 + 3 * j], packing.scale(packed, 2, j), "scale " + j);
                assertEquals(
                        packing.codesMinima() ? minima[1 + 3 * j] : 1, packing.minimum(packed, 2, j), "minimum " + j);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 32})
    void affineDecodersAgree(int elements) {
        Random random = new Random(elements);
        int blocks = 21;
        byte[] levels = new byte[blocks * elements];
        float[] scales = new float[blocks];
        float[] minima = new float[blocks];
        for (int i = 0; i < levels.length; i++) {
            levels[i] = (byte) random.nextInt(128);
        }
        for (int b = 0; b < blocks; b++) {
            scales[b] = (float) random.nextGaussian();
            minima[b] = random.nextInt(5) == 0 ? Float.NaN : (float) random.nextGaussian();
        }
        float[] vector = new float[3 + levels.length];
        float[] scalar = new float[3 + levels.length];
        AffineDecoder.decode(levels, blocks, elements, scales, minima, vector, 3);
        AffineDecoder.decodeScalar(levels, blocks, elements, scales, minima, scalar, 3);
        assertArrayEquals(scalar, vector);
    }
}
