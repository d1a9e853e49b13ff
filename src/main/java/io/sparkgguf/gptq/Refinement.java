package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.quant.GridFormat;
import java.io.IOException;

/**
 * Looks at levels and scales again in the Hessian's metric, after the column loop: descends on d H dᵀ super-block by
 * super-block, all others held.
 *
 * <p>For a super-block the gradient H d is made anew from all columns. Then each of its groups is solved as a small problem
 * of its own: with all else fixed the error is a quadratic form around a centre, and for the group's scales as they are, and
 * for codes a little above and below, levels are found by the same walk with error feedback; the best of these is taken if it
 * lowers the error. At last d and dmin are fitted to the levels by least squares in the same metric. Nothing is taken that
 * does not lower the row's error, so a sweep never does harm.
 */
final class Refinement {
    /** Rows that are refined together, so that a super-block stays in the cache. */
    private static final int ROWS = 128;

    private final GridFormat grid;
    private final HessianRows hessian;
    private final float[] ridge;
    private final LevelGrid levels;
    private final boolean fitScales;
    private final float[] changes;
    private final int rows;
    private final int columns;
    private final float[] panel;
    private final float[] gradient;

    /**
     * @param hessian in the order of the columns
     * @param ridge added to its diagonal, so that inputs that were hardly seen are not trusted
     * @param target element (row, column) at {@code at + row * columns + column}
     */
    Refinement(
            GridFormat grid,
            HessianRows hessian,
            float[] ridge,
            LevelGrid levels,
            float[] target,
            int at,
            int rows,
            boolean fitScales) {
        this.grid = grid;
        this.hessian = hessian;
        this.ridge = ridge;
        this.levels = levels;
        this.fitScales = fitScales;
        this.rows = rows;
        columns = ridge.length;
        changes = HessianError.byColumns(target, at, rows, columns);
        levels.subtractFrom(changes);
        int width = Math.min(ColumnOrder.GROUP, columns);
        panel = new float[Math.multiplyExact(width, columns)];
        gradient = new float[Math.multiplyExact(width, rows)];
    }

    /** Bytes that it holds. */
    static long memory(int rows, int columns) {
        return Float.BYTES * ((long) rows * columns + Math.min(ColumnOrder.GROUP, columns) * ((long) rows + columns));
    }

    /** One sweep over all super-blocks, in the order of the columns. */
    void sweep() throws IOException {
        for (int from = 0; from < columns; from += ColumnOrder.GROUP) {
            int width = Math.min(ColumnOrder.GROUP, columns - from);
            hessian.read(from, width, panel);
            for (int i = 0; i < width; i++) {
                panel[i * columns + from + i] += ridge[from + i];
            }
            Gemm.multiply(width, rows, columns, panel, 0, columns, changes, 0, rows, false, gradient, 0, rows);
            SuperBlock block =
                    new SuperBlock(grid, levels, panel, columns, from, width, changes, gradient, rows, fitScales);
            for (int row = 0; row < rows; row += ROWS) {
                block.refine(row, Math.min(ROWS, rows - row));
            }
        }
    }
}
