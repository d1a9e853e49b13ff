package io.sparkgguf.gptq;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Rows of the widest layer there is, Llama 3.1 405B's ffn_down, whose factor no array could hold. */
class HugeSolveTest {
    private static final int COLUMNS = 53_248;
    private static final int ROWS = 2;
    private static final float BESIDE = -0.6f;
    private static final long SEED = 5;

    /** The factor of a Hessian in which each input goes with the next: 1 on the diagonal, one value beside it. */
    private record Bidiagonal(int order) implements FactorPanels {
        @Override
        public void read(int firstRow, int rows, float[] into) {
            for (int row = 0; row < rows; row++) {
                int at = row * order + firstRow + row;
                Arrays.fill(into, row * order, (row + 1) * order, 0);
                into[at] = 1;
                if (firstRow + row + 1 < order) {
                    into[at + 1] = BESIDE;
                }
            }
        }
    }

    @Test
    void errorsAreMadeUpForInTheLastColumnsAsInTheFirst() throws IOException {
        int[] order = IntStream.range(0, COLUMNS).map(i -> COLUMNS - 1 - i).toArray();
        float[] ones = new float[COLUMNS];
        Arrays.fill(ones, 1);
        HessianSummary summary = new HessianSummary(1, 0.01, 0, 0, order, ones, ones, new float[COLUMNS], null);
        float[] weights = new float[ROWS * COLUMNS];
        Random random = new Random(SEED);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) (0.02 * random.nextGaussian());
        }
        BlockType type = BlockType.Q4_K;
        RowSolver solver =
                new RowSolver(type, GptqOptions.DEFAULT.withSweeps(0, false), summary, new Bidiagonal(COLUMNS), null);
        byte[] solved = new byte[Math.toIntExact(type.bytes(weights.length))];
        solver.solve(weights, 0, ROWS, solved, 0);
        byte[] rounded = new byte[solved.length];
        solver.round(weights, 0, ROWS, rounded, 0);
        for (int row = 0; row < ROWS; row++) {
            for (int from : new int[] {0, COLUMNS / 2, COLUMNS - 1024}) {
                double error = error(change(weights, solved, type), order, row, from);
                double before = error(change(weights, rounded, type), order, row, from);
                assertTrue(
                        error < 0.9 * before,
                        "row " + row + " from " + from + ", seed " + SEED + ": solved " + error + ", rounded "
                                + before);
            }
        }
    }

    private static float[] change(float[] weights, byte[] blocks, BlockType type) {
        float[] change = new float[weights.length];
        BlockFormats.of(type).decode(blocks, 0, change.length, change, 0);
        for (int i = 0; i < change.length; i++) {
            change[i] -= weights[i];
        }
        return change;
    }

    /** The share of 1024 columns in d H dᵀ = |R⁻ᵀ d|², R being the factor. */
    private static double error(float[] change, int[] order, int row, int from) {
        double sum = 0;
        double before = 0;
        for (int i = 0; i < COLUMNS; i++) {
            before = change[row * COLUMNS + order[i]] - BESIDE * before;
            if (i >= from && i < from + 1024) {
                sum += before * before;
            }
        }
        return sum;
    }
}
