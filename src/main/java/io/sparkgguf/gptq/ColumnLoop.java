package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;

/**
 * The column loop: rounds column after column and spreads each one's error over the columns that are still to come.
 *
 * <p>Weights lie by columns in the order of the loop. A column's updates are a chain of fused multiply-adds in the order of
 * the loop, each row for itself: so how columns are gathered into blocks and rows into tiles changes no bit.
 */
final class ColumnLoop {
    /** Columns whose errors are gathered before they reach the columns behind them. */
    static final int LAZY = 512;

    /** Columns that are updated one by one. */
    private static final int LEAF = 8;

    /** Rows that are taken through a lazy block together, so that they stay in the cache. */
    private static final int ROWS = 512;

    private final FactorPanels factor;
    private final int[] order;
    private final float[] weights;
    private final int rows;
    private final int columns;
    private final int lazy;
    private final float[] panel;
    private final float[] errors;
    private final float[] values;

    /** The column at which the lazy block begins. */
    private int base;

    private Rounder rounder;

    /** Rounds a column of the file's order in rows {@code row} to {@code row + count}. */
    interface Rounder {
        void round(int column, int row, int count, float[] weights, int weightsAt, float[] values, int valuesAt);
    }

    /**
     * @param order the column that is walked as the i-th
     * @param weights element (i, row) at {@code i * rows + row}, i in the order of the loop; changed by it
     * @param lazy columns of a lazy block, a multiple of 8
     */
    ColumnLoop(FactorPanels factor, int[] order, float[] weights, int rows, int lazy) {
        this.factor = factor;
        this.order = order;
        this.weights = weights;
        this.rows = rows;
        this.lazy = lazy;
        columns = order.length;
        panel = new float[Math.multiplyExact(Math.min(lazy, columns), columns)];
        errors = new float[Math.multiplyExact(Math.min(lazy, columns), rows)];
        values = new float[Math.min(rows, ROWS)];
    }

    /** Bytes that a loop holds, without the weights. */
    static long memory(int rows, int columns) {
        return (long) Float.BYTES * Math.min(LAZY, columns) * ((long) rows + columns);
    }

    /** Walks the columns from {@code from} to {@code to}; those before must have been walked. */
    void run(int from, int to, Rounder by) throws IOException {
        rounder = by;
        for (base = from; base < to; base += lazy) {
            int count = Math.min(lazy, to - base);
            factor.read(base, count, panel);
            checkPanel(count);
            for (int row = 0; row < rows; row += ROWS) {
                walk(0, count, row, Math.min(ROWS, rows - row));
            }
            int behind = base + count;
            if (behind < columns) {
                Gemm.subtractTransposedLeft(
                        columns - behind,
                        rows,
                        count,
                        panel,
                        behind,
                        columns,
                        errors,
                        0,
                        rows,
                        weights,
                        behind * rows,
                        rows);
            }
        }
    }

    private void checkPanel(int count) {
        for (int i = 0; i < count; i++) {
            float diagonal = panel[i * columns + base + i];
            if (!(diagonal > 0)) {
                throw new InvalidInputException("Cannot solve rows: the factor's diagonal element " + (base + i)
                        + " is " + diagonal + ", it must be above 0");
            }
            for (int j = base + i; j < columns; j++) {
                if (!Float.isFinite(panel[i * columns + j])) {
                    throw new InvalidInputException("Cannot solve rows: the factor's element (" + (base + i) + ", " + j
                            + ") is " + panel[i * columns + j]);
                }
            }
        }
    }

    private void walk(int from, int to, int row, int count) {
        if (to - from <= LEAF) {
            leaf(from, to, row, count);
            return;
        }
        int middle = from + (to - from + 2 * LEAF - 1) / (2 * LEAF) * LEAF;
        walk(from, middle, row, count);
        Gemm.subtractTransposedLeft(
                to - middle,
                count,
                middle - from,
                panel,
                from * columns + base + middle,
                columns,
                errors,
                from * rows + row,
                rows,
                weights,
                (base + middle) * rows + row,
                rows);
        walk(middle, to, row, count);
    }

    private void leaf(int from, int to, int row, int count) {
        for (int i = from; i < to; i++) {
            int at = (base + i) * rows + row;
            int error = i * rows + row;
            rounder.round(order[base + i], row, count, weights, at, values, 0);
            float inverse = 1 / panel[i * columns + base + i];
            for (int r = 0; r < count; r++) {
                errors[error + r] = (weights[at + r] - values[r]) * inverse;
            }
            for (int k = i + 1; k < to; k++) {
                subtract(panel[i * columns + base + k], errors, error, weights, (base + k) * rows + row, count);
            }
        }
    }

    /** y -= a * x. */
    private static void subtract(float a, float[] x, int xAt, float[] y, int yAt, int count) {
        for (int i = 0; i < count; i++) {
            y[yAt + i] = Math.fma(-a, x[xAt + i], y[yAt + i]);
        }
    }
}
