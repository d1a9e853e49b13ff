package io.sparkgguf.linalg;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The factor of the inverse beside its definition, element by element, and its failures. */
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

    /** Tiles as files keep them: always copied, and the accesses counted. */
    private static final class CopiedTiles implements Tiles {
        private final MemoryTiles tiles;
        private int reads;
        private int writes;

        CopiedTiles(MemoryTiles tiles) {
            this.tiles = tiles;
        }

        @Override
        public int order() {
            return tiles.order();
        }

        @Override
        public int tileSize() {
            return tiles.tileSize();
        }

        @Override
        public void read(int i, int j, double[] into) {
            reads++;
            tiles.read(i, j, into);
        }

        @Override
        public void write(int i, int j, double[] from) {
            writes++;
            tiles.write(i, j, from);
        }
    }

    @Test
    void tilesThatAreNotInMemoryGiveTheSame() throws Exception {
        int order = 90;
        double[] h = positiveDefinite(order, SEED);
        MemoryTiles expected = new MemoryTiles(order, 20);
        InverseFactor.compute(MemoryTiles.ofSymmetric(h, order, 20), expected);
        CopiedTiles source = new CopiedTiles(MemoryTiles.ofSymmetric(h, order, 20));
        CopiedTiles r = new CopiedTiles(new MemoryTiles(order, 20));
        InverseFactor.compute(source, r);
        double[] mine = new double[400];
        double[] theirs = new double[400];
        for (int i = 0; i < 5; i++) {
            for (int j = i; j < 5; j++) {
                r.tiles.read(i, j, mine);
                expected.read(i, j, theirs);
                assertArrayEquals(theirs, mine, "tile " + i + ", " + j + ", seed " + SEED);
            }
        }
        assertEquals(15, source.reads, "each tile of H is read once");
        assertEquals(0, source.writes);
        assertEquals(3 * 15, r.writes, "U, X reversed, R");
    }

    /** The factor does what it is for: {@code RᵀR H = I}, also for a badly conditioned H. */
    @ParameterizedTest
    @ValueSource(doubles = {1, 1e-6})
    void theFactorsProductIsTheInverse(double smallest) throws Exception {
        int n = 120;
        double[] h = positiveDefinite(n, SEED);
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) { // columns of scales from 1 down to the smallest
                h[i * n + j] *= Math.pow(smallest, (double) i / n) * Math.pow(smallest, (double) j / n);
            }
        }
        MemoryTiles r = new MemoryTiles(n, 50);
        InverseFactor.compute(MemoryTiles.ofSymmetric(h, n, 50), r);
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0; // of R H Rᵀ, which is the identity too and does not mix scales
                for (int k = i; k < n; k++) {
                    for (int l = j; l < n; l++) {
                        sum += r.get(i, k) * h[k * n + l] * r.get(j, l);
                    }
                }
                assertEquals(i == j ? 1 : 0, sum, 1e-9, "element " + i + ", " + j + ", seed " + SEED);
            }
        }
    }

    @Test
    void edgesAndWhatIsBelowTheDiagonalAreZeros() throws Exception {
        int order = 30;
        MemoryTiles r = MemoryTiles.ofSymmetric(positiveDefinite(order, SEED), order, 16);
        InverseFactor.compute(r, r);
        double[] tile = new double[256];
        for (int i = 0; i < 2; i++) {
            for (int j = i; j < 2; j++) {
                r.read(i, j, tile);
                for (int at = 0; at < 256; at++) {
                    int row = 16 * i + at / 16;
                    int column = 16 * j + at % 16;
                    boolean kept = row <= column && column < order;
                    assertEquals(!kept, tile[at] == 0, "row " + row + ", column " + column);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "29, 0", "13, -2", "7, NaN", "20, Infinity", "3, -1e-30"})
    void aPivotThatIsNotPositiveIsTold(int pivot, double value) {
        int order = 30;
        double[] h = new double[order * order];
        for (int i = 0; i < order; i++) {
            h[i * order + i] = i == pivot ? value : 4;
        }
        for (int tileSize : new int[] {1, 7, 16, 40}) {
            MemoryTiles tiles = MemoryTiles.ofSymmetric(h, order, tileSize);
            NotPositiveDefiniteException e = assertThrows(
                    NotPositiveDefiniteException.class,
                    () -> InverseFactor.compute(tiles, new MemoryTiles(order, tileSize)));
            assertEquals(pivot, e.pivot(), "tiles of " + tileSize);
            assertEquals(value, e.value(), "tiles of " + tileSize);
            assertEquals(
                    "Cannot factor the matrix: not positive definite, pivot " + pivot + " is " + value, e.getMessage());
        }
    }

    /** Two equal columns: what is left of the one that is eliminated second is rounding, or less. */
    @Test
    void aMatrixOfLowRankIsRefused() {
        int order = 20;
        double[] h = new double[order * order];
        Arrays.fill(h, 1);
        NotPositiveDefiniteException e = assertThrows(
                NotPositiveDefiniteException.class,
                () -> InverseFactor.compute(MemoryTiles.ofSymmetric(h, order, 8), new MemoryTiles(order, 8)));
        assertEquals(order - 2, e.pivot());
        assertEquals(0, e.value());
    }

    @Test
    void tilesOfAnotherShapeAreRefused() {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> InverseFactor.compute(new MemoryTiles(8, 4), new MemoryTiles(8, 3)));
        assertEquals("Cannot factor into other tiles: order 8 and 8, tile size 4 and 3", e.getMessage());
    }
}
