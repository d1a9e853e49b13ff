package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;

/** Products of doubles, with the panels that a thread keeps for them: about 6 MB. */
final class DoublePanels extends BlockedProduct {
    private static final int BLOCK_ROWS = 384;
    private static final int BLOCK_COLUMNS = 1024;

    /** Rows of a panel in whole vectors; the last may reach into what the next row of the panel overwrites. */
    private static final int ROUNDED = (DoubleTile.ROWS + DoubleTile.WIDTH - 1) / DoubleTile.WIDTH * DoubleTile.WIDTH;

    private static final int LEFT_PANEL = DoubleTile.DEPTH * DoubleTile.ROWS + ROUNDED;
    private static final int RIGHT_PANEL = DoubleTile.DEPTH * DoubleTile.COLUMNS;
    private static final ThreadLocal<DoublePanels> OF_THREAD = ThreadLocal.withInitial(DoublePanels::new);

    private final double[] left = new double[BLOCK_ROWS / DoubleTile.ROWS * LEFT_PANEL];
    private final double[] right = new double[BLOCK_COLUMNS / DoubleTile.COLUMNS * RIGHT_PANEL];
    private final double[] edge = new double[DoubleTile.ROWS * DoubleTile.COLUMNS];

    private double[] a;
    private int aAt;
    private int aRow;
    private int aColumn;
    private double sign;
    private double[] b;
    private int bAt;
    private int bRow;
    private int bColumn;
    private double[] c;
    private int cAt;
    private int ldc;

    private DoublePanels() {
        super(DoubleTile.ROWS, DoubleTile.COLUMNS, DoubleTile.DEPTH, BLOCK_ROWS, BLOCK_COLUMNS);
    }

    /**
     * What {@link GemmScalar} defines. A has neighbours in its columns or in its rows, and so has B.
     *
     * @param upper leaves what is below the diagonal unspecified
     */
    static void run(
            int m,
            int n,
            int k,
            double[] a,
            int aAt,
            int aRow,
            int aColumn,
            double[] b,
            int bAt,
            int bRow,
            int bColumn,
            boolean add,
            double sign,
            boolean upper,
            double[] c,
            int cAt,
            int ldc) {
        DoublePanels panels = OF_THREAD.get();
        panels.left(a, aAt, aRow, aColumn, sign);
        panels.right(b, bAt, bRow, bColumn);
        panels.c = c;
        panels.cAt = cAt;
        panels.ldc = ldc;
        panels.runAndForget(m, n, k, add, upper);
    }

    private void left(double[] array, int at, int row, int column, double factor) {
        a = array;
        aAt = at;
        aRow = row;
        aColumn = column;
        sign = factor;
    }

    private void right(double[] array, int at, int row, int column) {
        b = array;
        bAt = at;
        bRow = row;
        bColumn = column;
    }

    private void runAndForget(int m, int n, int k, boolean add, boolean upper) {
        try {
            run(m, n, k, add, upper);
        } finally {
            a = null;
            b = null;
            c = null;
        }
    }

    @Override
    void packLeft(int row, int rows, int p, int k) {
        int from = aAt + row * aRow + p * aColumn;
        if (aRow == 1) {
            for (int q = 0; q < k; q++) {
                packColumn(from + q * aColumn, rows, q * DoubleTile.ROWS);
            }
        } else {
            for (int i = 0; i < rows; i += DoubleTile.ROWS) {
                int height = Math.min(DoubleTile.ROWS, rows - i);
                packRows(from + i * aRow, height, k, i / DoubleTile.ROWS * LEFT_PANEL);
            }
        }
    }

    /** A column of A, contiguous, into all panels. */
    private void packColumn(int from, int rows, int to) {
        int i = 0;
        for (; i <= rows - DoubleTile.ROWS && from + i + ROUNDED <= a.length; i += DoubleTile.ROWS) {
            for (int lane = 0; lane < DoubleTile.ROWS; lane += DoubleTile.WIDTH) {
                DoubleVector.fromArray(DoubleTile.SPECIES, a, from + i + lane)
                        .mul(sign)
                        .intoArray(left, to + lane);
            }
            to += LEFT_PANEL;
        }
        for (; i < rows; i += DoubleTile.ROWS) {
            for (int r = 0; r < DoubleTile.ROWS; r++) {
                left[to + r] = i + r < rows ? sign * a[from + i + r] : 0;
            }
            to += LEFT_PANEL;
        }
    }

    /** Rows of A, each contiguous, into a panel. */
    private void packRows(int from, int rows, int k, int to) {
        for (int q = 0; q < k; q++) {
            for (int r = 0; r < DoubleTile.ROWS; r++) {
                left[to + q * DoubleTile.ROWS + r] = r < rows ? sign * a[from + r * aRow + q] : 0;
            }
        }
    }

    @Override
    void packRight(int column, int columns, int p, int k) {
        int from = bAt + p * bRow + column * bColumn;
        if (bColumn == 1) {
            for (int q = 0; q < k; q++) {
                packRow(from + q * bRow, columns, q * DoubleTile.WIDTH);
            }
        } else {
            for (int j = 0; j < columns; j += DoubleTile.WIDTH) {
                packColumns(from + j * bColumn, Math.min(DoubleTile.WIDTH, columns - j), k, j * DoubleTile.DEPTH);
            }
        }
        if ((columns - 1) / DoubleTile.WIDTH % 2 == 0) { // the right half of the last tile
            int at = ((columns - 1) / DoubleTile.WIDTH + 1) * DoubleTile.DEPTH * DoubleTile.WIDTH;
            Arrays.fill(right, at, at + k * DoubleTile.WIDTH, 0);
        }
    }

    /** A row of B, contiguous, into all panels. */
    private void packRow(int from, int columns, int to) {
        int j = 0;
        for (; j <= columns - DoubleTile.WIDTH; j += DoubleTile.WIDTH) {
            DoubleVector.fromArray(DoubleTile.SPECIES, b, from + j).intoArray(right, to + j * DoubleTile.DEPTH);
        }
        if (j < columns) {
            for (int lane = 0; lane < DoubleTile.WIDTH; lane++) {
                right[to + j * DoubleTile.DEPTH + lane] = j + lane < columns ? b[from + j + lane] : 0;
            }
        }
    }

    /** Columns of B, each contiguous, into a panel of one vector's columns. */
    private void packColumns(int from, int columns, int k, int to) {
        for (int q = 0; q < k; q++) {
            for (int lane = 0; lane < DoubleTile.WIDTH; lane++) {
                right[to + q * DoubleTile.WIDTH + lane] = lane < columns ? b[from + lane * bColumn + q] : 0;
            }
        }
    }

    @Override
    void tile(int leftPanel, int rightPanel, int k, boolean add, int row, int rows, int column, int columns) {
        int leftAt = leftPanel * LEFT_PANEL;
        int rightAt = rightPanel * RIGHT_PANEL;
        int at = cAt + row * ldc + column;
        if (rows == DoubleTile.ROWS && columns == DoubleTile.COLUMNS) {
            DoubleTile.multiply(k, left, leftAt, right, rightAt, add, c, at, ldc);
            return;
        }
        for (int i = 0; i < rows; i++) {
            System.arraycopy(c, at + i * ldc, edge, i * DoubleTile.COLUMNS, columns);
        }
        DoubleTile.multiply(k, left, leftAt, right, rightAt, add, edge, 0, DoubleTile.COLUMNS);
        for (int i = 0; i < rows; i++) {
            System.arraycopy(edge, i * DoubleTile.COLUMNS, c, at + i * ldc, columns);
        }
    }
}
