package io.sparkgguf.gptq;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.GridFormats;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Few live columns, so that all choices of levels can be tried: the best of them bounds the solver from below. */
class SmallProblemTest {
    private static final int ROWS = 40;

    @ParameterizedTest
    @CsvSource({"Q4_0, 2", "Q4_0, 3", "IQ4_NL, 3", "Q4_1, 2", "Q2_K, 3", "Q3_K, 3", "TQ2_0, 3"})
    void liesBetweenTheTrueOptimumAndImportanceWeightedRounding(BlockType type, int live) throws IOException {
        int columns = type.blockElements();
        Random random = new Random(Layer.SEED);
        float[] weights = new float[ROWS * columns];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian();
        }
        // live columns lie in the block's first group and nearly depend on each other
        double[] hessian = new double[columns * columns];
        for (int i = 0; i < live; i++) {
            for (int j = 0; j < live; j++) {
                hessian[i * columns + j] = i == j ? 1 + 0.2 * i : 0.8;
            }
        }
        GptqOptions options = GptqOptions.DEFAULT
                .withDamping(new Damping(Damping.Rule.DIAG, 1e-9, 0))
                .withConditional(0)
                .withSweeps(0, false);
        MemoryTiles tiles = MemoryTiles.ofSymmetric(hessian, columns, 64);
        Layer.Factored factored = Layer.factor(tiles, 1, options);
        assertEquals(columns - live, factored.summary().deadColumns());
        byte[] rounded = new byte[Math.toIntExact(ROWS * type.bytes(columns))];
        byte[] solved = new byte[rounded.length];
        byte[] swept = new byte[rounded.length];
        RowSolver solver = solver(type, options, factored, tiles);
        solver.round(weights, 0, ROWS, rounded, 0);
        solver.solve(weights, 0, ROWS, solved, 0);
        solver(type, options.withSweeps(2, false), factored, tiles).solve(weights, 0, ROWS, swept, 0);
        double sumRounded = 0;
        double sumSolved = 0;
        double sumSwept = 0;
        double sumBest = 0;
        for (int row = 0; row < ROWS; row++) {
            double best = best(type, weights, row, live, columns, hessian, rounded);
            double ours = error(type, weights, row, live, columns, hessian, solved);
            double better = error(type, weights, row, live, columns, hessian, swept);
            String where = "seed " + Layer.SEED + ", row " + row + ": ";
            assertTrue(ours >= best - 1e-6, where + "solved " + ours + ", optimum " + best);
            assertTrue(better >= best - 1e-6, where + "swept " + better + ", optimum " + best);
            assertTrue(better <= ours + 1e-6, where + "swept " + better + ", solved " + ours);
            sumBest += best;
            sumSolved += ours;
            sumSwept += better;
            sumRounded += error(type, weights, row, live, columns, hessian, rounded);
        }
        String sums = "seed " + Layer.SEED + ": optimum " + sumBest + ", swept " + sumSwept + ", solved " + sumSolved
                + ", rounded " + sumRounded;
        assertTrue(sumSolved < sumRounded, sums);
        assertTrue(sumSwept - sumBest < 0.5 * (sumRounded - sumBest), sums);
    }

    private static RowSolver solver(BlockType type, GptqOptions options, Layer.Factored factored, MemoryTiles hessian) {
        return new RowSolver(type, options, factored.summary(), factored.panels(), TilePanels.hessian(hessian));
    }

    /** The least error over all levels of the live columns, on the scales of these blocks. */
    private static double best(
            BlockType type, float[] weights, int row, int live, int columns, double[] hessian, byte[] blocks) {
        GridFormat grid = GridFormats.of(type).orElseThrow();
        float[] scales = new float[ROWS * columns / grid.groupElements()];
        float[] offsets = new float[scales.length];
        grid.readGrid(blocks, 0, ROWS, columns, scales, offsets);
        byte[] points = grid.points();
        int choices = 1;
        for (int i = 0; i < live; i++) {
            choices *= points.length;
        }
        double best = Double.POSITIVE_INFINITY;
        double[] d = new double[live];
        for (int choice = 0; choice < choices; choice++) {
            int rest = choice;
            for (int i = 0; i < live; i++) {
                d[i] = (double) scales[row] * points[rest % points.length] - offsets[row] - weights[row * columns + i];
                rest /= points.length;
            }
            best = Math.min(best, form(d, hessian, columns));
        }
        return best;
    }

    private static double error(
            BlockType type, float[] weights, int row, int live, int columns, double[] hessian, byte[] blocks) {
        float[] decoded = new float[columns];
        BlockFormats.of(type).decode(blocks, Math.toIntExact(row * type.bytes(columns)), columns, decoded, 0);
        double[] d = new double[live];
        for (int i = 0; i < live; i++) {
            d[i] = (double) decoded[i] - weights[row * columns + i];
        }
        return form(d, hessian, columns);
    }

    private static double form(double[] d, double[] hessian, int columns) {
        double sum = 0;
        for (int i = 0; i < d.length; i++) {
            for (int j = 0; j < d.length; j++) {
                sum += d[i] * hessian[i * columns + j] * d[j];
            }
        }
        return sum;
    }
}
