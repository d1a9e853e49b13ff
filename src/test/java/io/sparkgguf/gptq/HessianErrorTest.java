package io.sparkgguf.gptq;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HessianErrorTest {
    private static final Layer LAYER = new Layer(9, 320, 500, Layer.SEED);

    @Test
    void agreesWithTheDefinition() throws IOException {
        byte[] blocks = new byte[Math.toIntExact(LAYER.rows * BlockType.Q4_0.bytes(LAYER.columns))];
        new RowSolver(
                        BlockType.Q4_0,
                        GptqOptions.DEFAULT,
                        LAYER.factor(GptqOptions.DEFAULT).summary(),
                        LAYER.factor(GptqOptions.DEFAULT).panels(),
                        null)
                .round(LAYER.weights, 0, LAYER.rows, blocks, 0);
        float[] change = HessianError.change(BlockType.Q4_0, blocks, 0, LAYER.weights, 0, LAYER.rows, LAYER.columns);
        float[] whole = HessianError.byColumns(LAYER.weights, 0, LAYER.rows, LAYER.columns);
        double[][] errors = HessianError.ofRows(rows(64), List.of(change, whole), LAYER.rows);
        double expected = LAYER.error(LAYER.heldOut, blocks, BlockType.Q4_0);
        assertEquals(expected, Arrays.stream(errors[0]).sum(), 1e-4 * expected, "seed " + Layer.SEED);
        double norm = Layer.error(LAYER.heldOut, LAYER.weights, new float[whole.length], LAYER.rows, LAYER.columns);
        assertEquals(norm, Arrays.stream(errors[1]).sum(), 1e-4 * norm, "seed " + Layer.SEED);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 9})
    void aRowsErrorDoesNotDependOnItsNeighboursNorOnTiles(int slice) throws IOException {
        double[] all = HessianError.ofRows(
                rows(64), List.of(HessianError.byColumns(LAYER.weights, 0, LAYER.rows, LAYER.columns)), LAYER.rows)[0];
        double[] sliced = new double[LAYER.rows];
        for (int row = 0; row < LAYER.rows; row += slice) {
            int count = Math.min(slice, LAYER.rows - row);
            float[] change = HessianError.byColumns(LAYER.weights, row * LAYER.columns, count, LAYER.columns);
            System.arraycopy(HessianError.ofRows(rows(100), List.of(change), count)[0], 0, sliced, row, count);
        }
        assertArrayEquals(all, sliced);
    }

    @Test
    void theGuardTakesOnlyWhatIsBetter() {
        assertTrue(Guard.decide(1, 2).taken());
        assertEquals(
                "held-out error 1.000, importance-weighted 2.000",
                Guard.decide(1, 2).reason());
        for (double solved : new double[] {2, 3, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertFalse(Guard.decide(solved, 2).taken(), () -> "with " + solved);
        }
        assertEquals("its held-out error is NaN", Guard.decide(Double.NaN, 2).reason());
        assertEquals(
                "its held-out error 3.000 is not below importance-weighted rounding's 2.000",
                Guard.decide(3, 2).reason());
    }

    @Test
    void optionsThatDoNotGoTogetherAreRefused() {
        assertRefused(
                "Cannot find scales in the loop in the order ACT: it walks the columns of a super-block apart; "
                        + "take NATURAL or GROUPED",
                () -> GptqOptions.DEFAULT.withScales(GptqOptions.Scales.DYNAMIC));
        assertRefused("Cannot sweep -1 times: the least is 0", () -> GptqOptions.DEFAULT.withSweeps(-1, false));
        assertRefused(
                "Cannot fit scales again in 0 sweeps: the least is 1", () -> GptqOptions.DEFAULT.withSweeps(0, true));
        assertRefused(
                "Cannot take a share of 2.0 of the conditional importance: it must be from 0 to 1",
                () -> GptqOptions.DEFAULT.withConditional(2));
        assertRefused(
                "Cannot damp with a constant of 0.0: it must be a finite number above 0",
                () -> new Damping(Damping.Rule.DIAG, 0, 2));
        assertRefused(
                "Cannot damp with NaN per token: it must be a finite number of at least 0",
                () -> new Damping(Damping.Rule.MEAN, 1, Double.NaN));
        assertRefused("Cannot damp a Hessian of 0 tokens: at least 1 is needed", () -> Damping.DIAGONAL.lambda(0, 256));
    }

    @Test
    void dampingGrowsAsTokensGetFew() {
        assertEquals(0.03, Damping.DIAGONAL.lambda(1_000_000, 256));
        assertEquals(2.0, Damping.DIAGONAL.lambda(256, 256));
        assertEquals(0.01, Damping.CLASSIC.lambda(1, 256));
        double[] diagonal = {4, 0, 2};
        assertArrayEquals(new double[] {2, 1, 1}, Damping.DIAGONAL.ridge(diagonal, 0.5));
        assertArrayEquals(new double[] {1, 1, 1}, Damping.CLASSIC.ridge(diagonal, 0.5));
    }

    private static void assertRefused(String message, Runnable action) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, action::run).getMessage());
    }

    private static HessianRows rows(int tileSize) {
        return TilePanels.hessian(MemoryTiles.ofSymmetric(LAYER.heldOut, LAYER.columns, tileSize));
    }
}
