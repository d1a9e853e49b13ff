package io.sparkgguf.gptq;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class HessianFactorTest {
    private static final Layer LAYER = new Layer(4, 256, 400, Layer.SEED);
    private static final GptqOptions OPTIONS = GptqOptions.DEFAULT;

    /** R P (H + ridge) Pᵀ Rᵀ = I, whatever the tiles and the memory for reordering. */
    @ParameterizedTest
    @CsvSource({"256, 0", "256, 100000000", "100, 0", "100, 300000", "33, 0", "33, 100000", "7, 1000000"})
    void factorsTheDampedAndOrderedHessian(int tileSize, long memory) throws IOException {
        int n = LAYER.columns;
        MemoryTiles factor = new MemoryTiles(n, tileSize);
        HessianSummary summary = HessianFactor.compute(LAYER.hessian(tileSize), LAYER.tokens, OPTIONS, factor, memory);
        assertEquals(2.0 * n / LAYER.tokens, summary.lambda(), 1e-12);
        double[] r = new double[n * n];
        double[] h = new double[n * n];
        for (int i = 0; i < n; i++) {
            int row = summary.order()[i];
            for (int j = 0; j < n; j++) {
                r[i * n + j] = j < i ? 0 : factor.get(i, j);
                h[i * n + j] = LAYER.seen[row * n + summary.order()[j]];
            }
            assertEquals(summary.lambda() * h[i * n + i], summary.ridge()[row], 1e-6 * h[i * n + i]);
            h[i * n + i] *= 1 + summary.lambda();
        }
        double[] product = multiply(multiply(r, h, n, false), r, n, true);
        for (int i = 0; i < n * n; i++) {
            assertEquals(i % (n + 1) == 0 ? 1 : 0, product[i], 1e-9, "seed " + Layer.SEED + ", element " + i);
        }
        for (int i = 0; i < n; i++) {
            int column = summary.order()[i];
            double conditional = 1 / (factor.get(i, i) * factor.get(i, i)) / (1 + summary.lambda()) / LAYER.tokens;
            assertEquals(conditional, summary.conditional()[column], 1e-6 * conditional);
            assertTrue(summary.conditional()[column] <= summary.importance()[column] * (1 + 1e-6));
            assertEquals(LAYER.seen[column * (n + 1)] / LAYER.tokens, summary.importance()[column], 1e-4);
        }
    }

    @ParameterizedTest
    @EnumSource
    void ordersByTheDiagonal(ColumnOrder order) {
        double[] diagonal = new Random(Layer.SEED).doubles(600).toArray();
        int[] columns = order.of(diagonal);
        boolean[] seen = new boolean[600];
        for (int column : columns) {
            seen[column] = true;
        }
        for (int i = 0; i < 600; i++) {
            assertTrue(seen[i], order + " has no column " + i);
        }
        for (int i = 1; i < 600; i++) {
            int before = columns[i - 1];
            boolean sameGroup = before / 256 == columns[i] / 256;
            switch (order) {
                case NATURAL -> assertEquals(before + 1, columns[i]);
                case ACT -> assertTrue(diagonal[before] >= diagonal[columns[i]]);
                case GROUPED -> assertTrue(!sameGroup || diagonal[before] >= diagonal[columns[i]]);
            }
        }
        assertEquals(order != ColumnOrder.ACT, runs(columns) == 600 / 256 + 1, order.name());
    }

    private static int runs(int[] columns) {
        int runs = 1;
        for (int i = 1; i < columns.length; i++) {
            runs += columns[i] / 256 == columns[i - 1] / 256 ? 0 : 1;
        }
        return runs;
    }

    /** Dead columns are counted, rounded like others, and leave the live ones' bytes alone. */
    @Test
    void deadColumnsAreRoundedPlainly() throws IOException {
        int n = LAYER.columns;
        double[] hessian = LAYER.seen.clone();
        for (int dead : new int[] {3, 77, 255}) {
            for (int i = 0; i < n; i++) {
                hessian[dead * n + i] = 0;
                hessian[i * n + dead] = 0;
            }
        }
        Layer.Factored factored = Layer.factor(MemoryTiles.ofSymmetric(hessian, n, 64), LAYER.tokens, OPTIONS);
        HessianSummary summary = factored.summary();
        assertEquals(3, summary.deadColumns());
        float least = Float.POSITIVE_INFINITY;
        for (float importance : summary.importance()) {
            least = Math.min(least, importance);
        }
        assertTrue(least > 0);
        assertEquals(least, summary.importance()[77]);
        float[] decoded = solve(BlockType.Q8_0, factored, hessian);
        for (int r = 0; r < LAYER.rows; r++) {
            float largest = 0;
            for (int i = 224; i < n; i++) {
                largest = Math.max(largest, Math.abs(LAYER.weights[r * n + i]));
            }
            assertEquals(LAYER.weights[r * n + 255], decoded[r * n + 255], largest / 127, "row " + r);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 400})
    void aHessianOfZerosFallsBackToImportanceWeightedRounding(long tokens) throws IOException {
        Layer.Factored factored = Layer.factor(new MemoryTiles(256, 64), tokens, OPTIONS);
        assertEquals(
                tokens == 0 ? "no token was seen" : "the Hessian of 400 tokens is all zeros",
                factored.summary().fallback().orElseThrow());
        assertEquals(256, factored.summary().deadColumns());
        RowSolver solver = new RowSolver(BlockType.Q4_K, OPTIONS, factored.summary(), null, null);
        byte[] rounded = new byte[4 * 144];
        byte[] solved = new byte[4 * 144];
        float[] ones = new float[256];
        Arrays.fill(ones, 1);
        BlockFormats.of(BlockType.Q4_K).encode(LAYER.weights, 0, 4, 256, ones, 0, rounded, 0);
        solver.solve(LAYER.weights, 0, 4, solved, 0);
        assertArrayEquals(rounded, solved);
    }

    @Test
    void oneTokenIsEnoughForFiniteWeights() throws IOException {
        Layer layer = new Layer(4, 256, 1, Layer.SEED);
        Layer.Factored factored = layer.factor(OPTIONS);
        assertEquals(512, factored.summary().lambda());
        float[] decoded = solve(BlockType.Q3_K, factored, layer.seen);
        for (float weight : decoded) {
            assertTrue(Float.isFinite(weight));
        }
    }

    /** [1 c; c 1] is positive definite with a damping above c - 1 only. */
    @ParameterizedTest
    @CsvSource({"1.2, 1", "3, 2", "25, 3", "250, 4"})
    void dampingIsRaisedUntilItFactors(double c, int raised) throws IOException {
        HessianSummary summary = Layer.factor(pair(c), 1000000, OPTIONS).summary();
        assertEquals(raised, summary.raised());
        assertEquals(0.03 * Math.pow(10, raised), summary.lambda(), 1e-9);
        assertTrue(summary.fallback().isEmpty());
    }

    @Test
    void whatCannotBeFactoredFallsBackWithItsReason() throws IOException {
        HessianSummary summary = Layer.factor(pair(1000), 1000000, OPTIONS).summary();
        String reason = summary.fallback().orElseThrow();
        assertTrue(reason.startsWith("the Hessian could not be factored even with a damping of 300"), reason);
        assertEquals(Factoring.RAISES, summary.raised());
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, -1})
    void refusesADiagonalThatIsNone(double element) {
        MemoryTiles hessian = pair(0.5);
        double[] tile = new double[64 * 64];
        hessian.read(0, 0, tile);
        tile[5 * 64 + 5] = element;
        hessian.write(0, 0, tile);
        InvalidInputException refusal =
                assertThrows(InvalidInputException.class, () -> Layer.factor(hessian, 10, OPTIONS));
        assertEquals("Cannot factor a Hessian: diagonal element 5 is " + element, refusal.getMessage());
    }

    @Test
    void anElementThatIsNoNumberFallsBack() throws IOException {
        MemoryTiles hessian = pair(Double.NaN);
        String reason = Layer.factor(hessian, 10, OPTIONS).summary().fallback().orElseThrow();
        assertTrue(reason.contains("NaN"), reason);
    }

    /** The unit matrix but for c between the first two columns. */
    private static MemoryTiles pair(double c) {
        double[] matrix = new double[256 * 256];
        for (int i = 0; i < matrix.length; i += 257) {
            matrix[i] = 1;
        }
        matrix[1] = c;
        matrix[256] = c;
        return MemoryTiles.ofSymmetric(matrix, 256, 64);
    }

    private static float[] solve(BlockType type, Layer.Factored factored, double[] hessian) throws IOException {
        RowSolver solver = new RowSolver(
                type,
                OPTIONS,
                factored.summary(),
                factored.panels(),
                TilePanels.hessian(MemoryTiles.ofSymmetric(hessian, LAYER.columns, 64)));
        byte[] blocks = new byte[Math.toIntExact(LAYER.rows * type.bytes(LAYER.columns))];
        solver.solve(LAYER.weights, 0, LAYER.rows, blocks, 0);
        float[] decoded = new float[LAYER.rows * LAYER.columns];
        BlockFormats.of(type).decode(blocks, 0, decoded.length, decoded, 0);
        return decoded;
    }

    private static double[] multiply(double[] a, double[] b, int n, boolean transposed) {
        double[] c = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int k = 0; k < n; k++) {
                    sum += a[i * n + k] * (transposed ? b[j * n + k] : b[k * n + j]);
                }
                c[i * n + j] = sum;
            }
        }
        return c;
    }
}
