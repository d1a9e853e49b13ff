package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.Encoding;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The error that a layer's output takes from rounding its weights: d H dᵀ of each row, d being the row's change.
 *
 * <p>Products are taken in float32, each a chain over the columns in order, and summed in float64 for each row alone: a row's
 * figure does not depend on the rows it is computed with.
 */
public final class HessianError {
    /** Rows of the Hessian that are read at a time; part of the definition, since sums are cut there. */
    private static final int PANEL = 128;

    private HessianError() {}

    /** Bytes that {@link #ofRows} holds beside what it is given. */
    public static long memory(int rows, int columns) {
        return (long) Float.BYTES * Math.min(PANEL, columns) * ((long) rows + columns);
    }

    /**
     * The errors d H dᵀ of each row, for several changes of the same rows at once, as H is read once.
     *
     * @param changes each by columns: element (column, row) at {@code column * rows + row}
     * @return an array of {@code rows} for each change
     */
    public static double[][] ofRows(HessianRows hessian, List<float[]> changes, int rows) throws IOException {
        int columns = hessian.order();
        int height = Math.min(PANEL, columns);
        float[] panel = new float[Math.multiplyExact(height, columns)];
        float[] product = new float[Math.multiplyExact(height, rows)];
        double[][] sums = new double[changes.size()][rows];
        for (int from = 0; from < columns; from += height) {
            int count = Math.min(height, columns - from);
            int behind = from + count;
            hessian.read(from, count, panel);
            for (int i = 0; i < sums.length; i++) {
                float[] d = changes.get(i);
                // H is symmetric: what lies behind the diagonal tile counts twice
                Gemm.multiply(count, rows, count, panel, from, columns, d, from * rows, rows, false, product, 0, rows);
                add(d, from * rows, product, count, rows, 1, sums[i]);
                if (behind < columns) {
                    Gemm.multiply(
                            count,
                            rows,
                            columns - behind,
                            panel,
                            behind,
                            columns,
                            d,
                            behind * rows,
                            rows,
                            false,
                            product,
                            0,
                            rows);
                    add(d, from * rows, product, count, rows, 2, sums[i]);
                }
            }
        }
        return sums;
    }

    /** Bytes that {@link #towardsOriginal} holds beside what it is given. */
    public static long memoryTowardsOriginal(int rows, int columns) {
        return (long) Float.BYTES * (2L * rows * columns + (long) Math.min(PANEL, columns) * columns);
    }

    /**
     * What to add to the errors d H dᵀ for errors towards the outputs that original inputs gave. With x the inputs as they now
     * are, y the original ones and w the original row, the output's error is {@code (w + d) x - w y = d x - w (y - x)}; its
     * square, summed over tokens, is {@code d H dᵀ - 2 d (w Δ)ᵀ} and a part that does not depend on d, which is left out:
     * figures are for comparing changes with each other, and may be negative.
     *
     * @param delta the sum of (y - x) xᵀ over the tokens of the Hessian
     * @param weights the original ones, row after row from 0
     * @param changes as {@link #ofRows} has them
     * @return {@code -2 d (w Δ)ᵀ}: an array of {@code rows} for each change
     */
    public static double[][] towardsOriginal(
            TargetCorrection.Rows delta, float[] weights, List<float[]> changes, int rows) throws IOException {
        int columns = delta.order();
        float[] product = TargetCorrection.product(delta, weights, 0, rows, columns);
        double[][] sums = new double[changes.size()][rows];
        for (int i = 0; i < sums.length; i++) {
            add(changes.get(i), 0, product, columns, rows, 2, sums[i]);
        }
        return sums;
    }

    private static void add(float[] d, int at, float[] product, int columns, int rows, double factor, double[] sums) {
        for (int c = 0; c < columns; c++) {
            for (int r = 0; r < rows; r++) {
                sums[r] += factor * d[at + c * rows + r] * product[c * rows + r];
            }
        }
    }

    /** Weights as a change from zero, by columns: its error is w H wᵀ, what relative errors are relative to. */
    public static float[] byColumns(float[] weights, int at, int rows, int columns) {
        return RowSolver.byColumns(
                weights, at, rows, IntStream.range(0, columns).toArray());
    }

    /** What encoding changed, by columns: decoded minus original. */
    public static float[] change(
            Encoding encoding, byte[] blocks, int blocksAt, float[] weights, int at, int rows, int columns) {
        float[] decoded = new float[Math.multiplyExact(rows, columns)];
        BlockFormats.of(encoding).decode(blocks, blocksAt, decoded.length, decoded, 0);
        for (int i = 0; i < decoded.length; i++) {
            decoded[i] -= weights[at + i];
        }
        return byColumns(decoded, 0, rows, columns);
    }
}
