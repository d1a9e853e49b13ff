package io.sparkgguf.linalg;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InverseFactorTest {
    private static final long SEED = 3;

    /** {@code H = V Vᵀ} from the last row up and {@code R = V⁻¹}, element by element. */
    private static double[] naive(double[] h, int n) {
        double[] v = new double[n * n];
        for (int j = n - 1; j >= 0; j--) {
            for (int i = j; i >= 0; i--) {
                double sum = h[i * n + j];
                for (int k = n - 1; k > j; k--) {
                    sum = Math.fma(-v[j * n + k], v[i * n + k], sum);
                }
                v[i * n + j] = i == j ? Math.sqrt(sum) : sum * (1 / v[j * n + j]);
            }
        }
        double[] r = new double[n * n];
        for (int j = n - 1; j >= 0; j--) {
            r[j * n + j] = 1 / v[j * n + j];
            for (int i = j - 1; i >= 0; i--) {
                double sum = 0;
                for (int k = j; k > i; k--) {
                    sum = Math.fma(-v[i * n + k], r[k * n + j], sum);
                }
                r[i * n + j] = sum * (1 / v[i * n + i]);
            }
        }
        return r;
    }

    private static double[] positiveDefinite(int n, long seed) {
        Random random = new Random(seed);
        int tokens = n + 5;
        double[] x = random.doubles((long) n * tokens, -1, 1).toArray();
        double[] h = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                double sum = i == j ? 1e-3 * n : 0;
                for (int t = 0; t < tokens; t++) {
                    sum += x[t * n + i] * x[t * n + j];
                }
                h[i * n + j] = sum;
                h[j * n + i] = sum;
            }
        }
        return h;
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "1, 4", "2, 1", "7, 3", "8, 4", "33, 40", "64, 64", "65, 64", "150, 37", "150, 1", "300, 128"})
    void theFactorHasTheBitsOfItsDefinitionWhateverTheTiles(int order, int tileSize) throws Exception {
        double[] h = positiveDefinite(order, SEED + order);
        double[] expected = naive(h, order);
        MemoryTiles tiles = MemoryTiles.ofSymmetric(h, order, tileSize);
        MemoryTiles r = new MemoryTiles(order, tileSize);
        InverseFactor.compute(tiles, r);
        InverseFactor.compute(tiles, tiles);
        for (int i = 0; i < order; i++) {
            for (int j = i; j < order; j++) {
                String where = "element " + i + ", " + j + ", seed " + (SEED + order);
                assertEquals(expected[i * order + j], r.get(i, j), where);
                assertEquals(expected[i * order + j], tiles.get(i, j), () -> "in place, " + where);
            }
        }
    }
}
