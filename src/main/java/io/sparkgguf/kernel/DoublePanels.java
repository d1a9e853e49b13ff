package io.sparkgguf.kernel;

import jdk.incubator.vector.DoubleVector;

/** Products of doubles, with the panels that a thread keeps for them: about 5 MB. */
final class DoublePanels extends BlockedProduct {
    private static final int BLOCK_ROWS = 180;
    private static final int BLOCK_COLUMNS = 1024;

    /** Rows of a panel in whole vectors; the last may reach into what the next row of the panel overwrites. */
    private static final int ROUNDED = (DoubleTile.ROWS + DoubleTile.WIDTH - 1) / DoubleTile.WIDTH * DoubleTile.WIDTH;

    /** Rows or columns that are copied at a time, so that what is read and what is written is contiguous for a while. */
    private static final int BAND = 8;

    private static final int LEFT_PANEL = DoubleTile.DEPTH * DoubleTile.ROWS + ROUNDED;
    private static final int RIGHT_PANEL = 2 * DoubleTile.PANEL;
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
        super(DoubleTile.ROWS, DoubleTile.COLUMNS, BLOCK_ROWS, BLOCK_COLUMNS);
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
        panels.runAndForget(m, n, k, DoubleTile.DEPTH, add, upper);
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

    private void runAndForget(int m, int n, int k, int depth, boolean add, boolean upper) {
        try {
            run(m, n, k, depth, add, upper);
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
            for (int q = 0; q < k; q += BAND) {
                packColumns(
                        a, from + q * aColumn, aColumn, Math.min(BAND, k - q), rows, sign, left, q * DoubleTile.ROWS);
            }
        } else {
            for (int i = 0; i < rows; i += DoubleTile.ROWS) {
                int height = Math.min(DoubleTile.ROWS, rows - i);
                packTransposedLeft(from + i * aRow, height, k, i / DoubleTile.ROWS * LEFT_PANEL);
            }
        }
    }

    /** Columns of A, each contiguous, into all panels. */
    private static void packColumns(
            double[] a, int from, int stride, int columns, int rows, double sign, double[] left, int to) {
        int whole = rows / DoubleTile.ROWS * DoubleTile.ROWS;
        if (from + (columns - 1) * stride + whole - DoubleTile.ROWS + ROUNDED > a.length) {
            whole = Math.max(0, whole - DoubleTile.ROWS); // the last vector would read beyond the array
        }
        for (int i = 0; i < whole; i += DoubleTile.ROWS) {
            int at = to + i / DoubleTile.ROWS * LEFT_PANEL;
            for (int q = 0; q < columns; q++) {
                for (int lane = 0; lane < DoubleTile.ROWS; lane += DoubleTile.WIDTH) {
                    DoubleVector.fromArray(DoubleTile.SPECIES, a, from + q * stride + i + lane)
                            .mul(sign)
                            .intoArray(left, at + q * DoubleTile.ROWS + lane);
                }
            }
        }
        for (int i = whole; i < rows; i++) {
            int at = to + i / DoubleTile.ROWS * LEFT_PANEL + i % DoubleTile.ROWS;
            for (int q = 0; q < columns; q++) {
                left[at + q * DoubleTile.ROWS] = sign * a[from + q * stride + i];
            }
        }
    }

    /** Rows of A, each contiguous, into a panel. */
    private void packTransposedLeft(int from, int rows, int k, int to) {
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
            for (int q = 0; q < k; q += BAND) {
                packRows(b, from + q * bRow, bRow, Math.min(BAND, k - q), columns, right, q * DoubleTile.WIDTH);
            }
        } else {
            for (int j = 0; j < columns; j += DoubleTile.WIDTH) {
                packTransposedRight(
                        from + j * bColumn,
                        Math.min(DoubleTile.WIDTH, columns - j),
                        k,
                        j / DoubleTile.WIDTH * DoubleTile.PANEL);
            }
        }
    }

    /** Rows of B, each contiguous, into all panels. */
    private static void packRows(double[] b, int from, int stride, int rows, int columns, double[] right, int to) {
        int whole = columns / DoubleTile.WIDTH * DoubleTile.WIDTH;
        for (int j = 0; j < whole; j += DoubleTile.WIDTH) {
            int at = to + j / DoubleTile.WIDTH * DoubleTile.PANEL;
            for (int q = 0; q < rows; q++) {
                DoubleVector.fromArray(DoubleTile.SPECIES, b, from + q * stride + j)
                        .intoArray(right, at + q * DoubleTile.WIDTH);
            }
        }
        for (int j = whole; j < columns; j++) {
            int at = to + j / DoubleTile.WIDTH * DoubleTile.PANEL + j % DoubleTile.WIDTH;
            for (int q = 0; q < rows; q++) {
                right[at + q * DoubleTile.WIDTH] = b[from + q * stride + j];
            }
        }
    }

    /** Columns of B, each contiguous, into a panel. */
    private void packTransposedRight(int from, int columns, int k, int to) {
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
