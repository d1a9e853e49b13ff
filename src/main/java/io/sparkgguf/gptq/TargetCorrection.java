package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Gemm;
import java.io.IOException;
import java.util.Arrays;
import java.util.Objects;

/**
 * Moves weights so that a layer makes up for what quantizing the layers before it did to its inputs: with x the inputs as they
 * now are and y as they were, the weights that come closest to the original outputs are {@code W + W Δ (H + ridge)⁻¹}, where
 * {@code Δ = sum of (y - x) xᵀ} and {@code H = sum of x xᵀ}. A share of that step is taken.
 *
 * <p>Source: the least-squares correction of GPTAQ (Li et al., 2025) and Qronos (Zhang et al., 2025), with this package's
 * damping. Each row is corrected by itself: its bits do not depend on the rows beside it.
 */
public final class TargetCorrection {
    /** Rows of the matrices that are read at a time. */
    private static final int PANEL = 128;

    private TargetCorrection() {}

    /** Rows of Δ: element (i, j) is the sum of (y_i - x_i) x_j over the tokens of the Hessian; it is not symmetric. */
    public interface Rows {

        /** Rows and columns. */
        int order();

        /** Copies {@code rows} full rows from {@code firstRow} on, row after row from 0. */
        void read(int firstRow, int rows, float[] into) throws IOException;
    }

    /** Bytes that it holds beside the weights and targets. */
    public static long memory(int rows, int columns) {
        return Float.BYTES * (3L * rows * columns + (long) Math.min(PANEL, columns) * (rows + columns));
    }

    /**
     * Writes the target of some rows.
     *
     * @param summary of H, which must have been factored
     * @param share of the whole step, from 0 to 1
     * @param weights row after row from {@code weightsAt}
     * @param target receives the corrected weights, laid out alike from {@code targetAt}; may be the weights themselves
     */
    public static void apply(
            HessianSummary summary,
            FactorPanels factor,
            Rows delta,
            double share,
            float[] weights,
            int weightsAt,
            int rows,
            float[] target,
            int targetAt)
            throws IOException {
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException(
                    "Cannot correct a target by a share of " + share + ": it must be from 0 to 1");
        }
        int columns = summary.columns();
        int elements = Math.multiplyExact(rows, columns);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        Objects.checkFromIndexSize(targetAt, elements, target.length);
        float[] step = solve(summary.order(), factor, product(delta, weights, weightsAt, rows, columns), rows);
        int[] order = summary.order();
        float size = (float) share;
        for (int i = 0; i < columns; i++) {
            for (int r = 0; r < rows; r++) {
                int at = r * columns + order[i];
                target[targetAt + at] = Math.fma(size, step[i * rows + r], weights[weightsAt + at]);
            }
        }
    }

    /** {@code -(W Δ)}, by columns. */
    static float[] product(Rows delta, float[] weights, int weightsAt, int rows, int columns) throws IOException {
        float[] byColumns = HessianError.byColumns(weights, weightsAt, rows, columns);
        float[] product = new float[byColumns.length];
        int height = Math.min(PANEL, columns);
        float[] panel = new float[Math.multiplyExact(height, columns)];
        for (int from = 0; from < columns; from += height) {
            int count = Math.min(height, columns - from);
            delta.read(from, count, panel);
            Gemm.subtractTransposedLeft(
                    columns, rows, count, panel, 0, columns, byColumns, from * rows, rows, product, 0, rows);
        }
        return product;
    }

    /** {@code -X RᵀR} in the order of the factor, of X by columns. */
    private static float[] solve(int[] order, FactorPanels factor, float[] x, int rows) throws IOException {
        int columns = order.length;
        float[] ordered = new float[x.length];
        for (int i = 0; i < columns; i++) {
            System.arraycopy(x, order[i] * rows, ordered, i * rows, rows);
        }
        float[] solved = new float[x.length];
        int height = Math.min(PANEL, columns);
        float[] panel = new float[Math.multiplyExact(height, columns)];
        float[] product = new float[Math.multiplyExact(height, rows)];
        for (int from = 0; from < columns; from += height) {
            int count = Math.min(height, columns - from);
            int width = columns - from;
            factor.read(from, count, panel);
            for (int i = 1; i < count; i++) {
                Arrays.fill(panel, i * columns + from, i * columns + from + i, 0);
            }
            Gemm.multiply(
                    count, rows, width, panel, from, columns, ordered, from * rows, rows, false, product, 0, rows);
            Gemm.subtractTransposedLeft(
                    width, rows, count, panel, from, columns, product, 0, rows, solved, from * rows, rows);
        }
        return solved;
    }
}
