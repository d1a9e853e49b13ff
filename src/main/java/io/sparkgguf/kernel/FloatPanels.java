package io.sparkgguf.kernel;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Products of floats, with the panels that a thread keeps for them: about 5 MB. */
final class FloatPanels extends BlockedProduct {
    private static final int BLOCK_ROWS = 180;
    private static final int BLOCK_COLUMNS = 1024;

    /** Rows of a panel in whole vectors; the last may reach into what the next row of the panel overwrites. */
    private static final int ROUNDED = (FloatTile.ROWS + FloatTile.WIDTH - 1) / FloatTile.WIDTH * FloatTile.WIDTH;

    /** Columns of A that are transposed at a time. */
    private static final int STRIP = 64;

    /** Rows or columns that are copied at a time, so that what is read and what is written is contiguous for a while. */
    private static final int BAND = 8;

    private static final int LEFT_PANEL = FloatTile.DEPTH * FloatTile.ROWS + ROUNDED;
    private static final int RIGHT_PANEL = 2 * FloatTile.PANEL;
    private static final ThreadLocal<FloatPanels> OF_THREAD = ThreadLocal.withInitial(FloatPanels::new);

    private final float[] left = new float[BLOCK_ROWS / FloatTile.ROWS * LEFT_PANEL];
    private final float[] right = new float[BLOCK_COLUMNS / FloatTile.COLUMNS * RIGHT_PANEL];
    private final float[] edge = new float[FloatTile.ROWS * FloatTile.COLUMNS];
    private final float[] transposed = new float[STRIP * Transposition.SIZE];
    private final int[] starts = new int[Transposition.SIZE];

    private float[] a;
    private int aAt;
    private int aRow;
    private int aColumn;
    private float sign;
    private float[] b;
    private int bAt;
    private int bRow;
    private int bColumn;
    private float[] c;
    private int cAt;
    private int ldc;
    private double[] sums;

    private FloatPanels() {
        super(FloatTile.ROWS, FloatTile.COLUMNS, BLOCK_ROWS, BLOCK_COLUMNS);
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
            float[] a,
            int aAt,
            int aRow,
            int aColumn,
            float[] b,
            int bAt,
            int bRow,
            int bColumn,
            boolean add,
            float sign,
            boolean upper,
            float[] c,
            int cAt,
            int ldc) {
        FloatPanels panels = OF_THREAD.get();
        panels.left(a, aAt, aRow, aColumn, sign);
        panels.right(b, bAt, bRow, bColumn);
        panels.c = c;
        panels.cAt = cAt;
        panels.ldc = ldc;
        panels.runAndForget(m, n, k, FloatTile.DEPTH, add, upper);
    }

    /** What {@link Gram#add} promises, or its upper half. */
    static void gram(
            float[] x,
            int rowsAt,
            int rows,
            int columnsAt,
            int columns,
            int tokens,
            int stride,
            boolean upper,
            double[] tile,
            int ld) {
        FloatPanels panels = OF_THREAD.get();
        panels.left(x, rowsAt, 1, stride, 1);
        panels.right(x, columnsAt, stride, 1);
        panels.sums = tile;
        panels.ldc = ld;
        panels.runAndForget(rows, columns, tokens, Gram.CHUNK, false, upper);
    }

    private void left(float[] array, int at, int row, int column, float factor) {
        a = array;
        aAt = at;
        aRow = row;
        aColumn = column;
        sign = factor;
    }

    private void right(float[] array, int at, int row, int column) {
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
            sums = null;
        }
    }

    @Override
    void packLeft(int row, int rows, int p, int k) {
        int from = aAt + row * aRow + p * aColumn;
        if (aRow == 1) {
            for (int q = 0; q < k; q += BAND) {
                packColumns(
                        a, from + q * aColumn, aColumn, Math.min(BAND, k - q), rows, sign, left, q * FloatTile.ROWS);
            }
        } else {
            for (int i = 0; i < rows; i += FloatTile.ROWS) {
                int height = Math.min(FloatTile.ROWS, rows - i);
                packTransposedLeft(from + i * aRow, height, k, i / FloatTile.ROWS * LEFT_PANEL);
            }
        }
    }

    /** Columns of A, each contiguous, into all panels. */
    private static void packColumns(
            float[] a, int from, int stride, int columns, int rows, float sign, float[] left, int to) {
        int whole = rows / FloatTile.ROWS * FloatTile.ROWS;
        if (from + (columns - 1) * stride + whole - FloatTile.ROWS + ROUNDED > a.length) {
            whole = Math.max(0, whole - FloatTile.ROWS); // the last vector would read beyond the array
        }
        for (int i = 0; i < whole; i += FloatTile.ROWS) {
            int at = to + i / FloatTile.ROWS * LEFT_PANEL;
            for (int q = 0; q < columns; q++) {
                for (int lane = 0; lane < FloatTile.ROWS; lane += FloatTile.WIDTH) {
                    FloatVector.fromArray(Lanes.FLOATS, a, from + q * stride + i + lane)
                            .mul(sign)
                            .intoArray(left, at + q * FloatTile.ROWS + lane);
                }
            }
        }
        for (int i = whole; i < rows; i++) {
            int at = to + i / FloatTile.ROWS * LEFT_PANEL + i % FloatTile.ROWS;
            for (int q = 0; q < columns; q++) {
                left[at + q * FloatTile.ROWS] = sign * a[from + q * stride + i];
            }
        }
    }

    /** Rows of A, each contiguous, into a panel. */
    private void packTransposedLeft(int from, int rows, int k, int to) {
        int q = 0;
        if (Transposition.WORKS) {
            for (; q <= k - STRIP; q += STRIP) {
                for (int r = 0; r < Transposition.SIZE; r++) {
                    starts[r] = from + (r < rows ? r : 0) * aRow + q;
                }
                Transposition.columns(a, starts, STRIP, transposed, 0);
                squeeze(to + q * FloatTile.ROWS);
            }
        }
        for (; q < k; q++) {
            for (int r = 0; r < FloatTile.ROWS; r++) {
                left[to + q * FloatTile.ROWS + r] = r < rows ? sign * a[from + r * aRow + q] : 0;
            }
        }
    }

    /** Drops the rows of a transposed strip that a panel has not. */
    private void squeeze(int to) {
        for (int q = 0; q < STRIP; q++) {
            FloatVector.fromArray(Lanes.FLOATS, transposed, q * FloatTile.WIDTH)
                    .mul(sign)
                    .intoArray(left, to + q * FloatTile.ROWS);
        }
    }

    @Override
    void packRight(int column, int columns, int p, int k) {
        int from = bAt + p * bRow + column * bColumn;
        if (bColumn == 1) {
            for (int q = 0; q < k; q += BAND) {
                packRows(b, from + q * bRow, bRow, Math.min(BAND, k - q), columns, right, q * FloatTile.WIDTH);
            }
        } else {
            for (int j = 0; j < columns; j += FloatTile.WIDTH) {
                packTransposedRight(
                        from + j * bColumn,
                        Math.min(FloatTile.WIDTH, columns - j),
                        k,
                        j / FloatTile.WIDTH * FloatTile.PANEL);
            }
        }
    }

    /** Rows of B, each contiguous, into all panels. */
    private static void packRows(float[] b, int from, int stride, int rows, int columns, float[] right, int to) {
        int whole = columns / FloatTile.WIDTH * FloatTile.WIDTH;
        for (int j = 0; j < whole; j += FloatTile.WIDTH) {
            int at = to + j / FloatTile.WIDTH * FloatTile.PANEL;
            for (int q = 0; q < rows; q++) {
                FloatVector.fromArray(Lanes.FLOATS, b, from + q * stride + j)
                        .intoArray(right, at + q * FloatTile.WIDTH);
            }
        }
        for (int j = whole; j < columns; j++) {
            int at = to + j / FloatTile.WIDTH * FloatTile.PANEL + j % FloatTile.WIDTH;
            for (int q = 0; q < rows; q++) {
                right[at + q * FloatTile.WIDTH] = b[from + q * stride + j];
            }
        }
    }

    /** Columns of B, each contiguous, into a panel. */
    private void packTransposedRight(int from, int columns, int k, int to) {
        int q = 0;
        if (Transposition.WORKS) {
            for (int lane = 0; lane < Transposition.SIZE; lane++) {
                starts[lane] = from + (lane < columns ? lane : 0) * bColumn;
            }
            q = k / Transposition.SIZE * Transposition.SIZE;
            Transposition.columns(b, starts, q, right, to);
        }
        for (; q < k; q++) {
            for (int lane = 0; lane < FloatTile.WIDTH; lane++) {
                right[to + q * FloatTile.WIDTH + lane] = lane < columns ? b[from + lane * bColumn + q] : 0;
            }
        }
    }

    @Override
    void tile(int leftPanel, int rightPanel, int k, boolean add, int row, int rows, int column, int columns) {
        int leftAt = leftPanel * LEFT_PANEL;
        int rightAt = rightPanel * RIGHT_PANEL;
        if (sums != null) {
            FloatTile.multiply(k, left, leftAt, right, rightAt, false, edge, 0, FloatTile.COLUMNS);
            addToSums(row, rows, column, columns);
            return;
        }
        int at = cAt + row * ldc + column;
        if (rows == FloatTile.ROWS && columns == FloatTile.COLUMNS) {
            FloatTile.multiply(k, left, leftAt, right, rightAt, add, c, at, ldc);
            return;
        }
        for (int i = 0; i < rows; i++) {
            System.arraycopy(c, at + i * ldc, edge, i * FloatTile.COLUMNS, columns);
        }
        FloatTile.multiply(k, left, leftAt, right, rightAt, add, edge, 0, FloatTile.COLUMNS);
        for (int i = 0; i < rows; i++) {
            System.arraycopy(edge, i * FloatTile.COLUMNS, c, at + i * ldc, columns);
        }
    }

    private void addToSums(int row, int rows, int column, int columns) {
        int to = row * ldc + column;
        if (columns == FloatTile.COLUMNS) {
            addRows(edge, rows, sums, to, ldc);
            return;
        }
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                sums[to + i * ldc + j] += edge[i * FloatTile.COLUMNS + j];
            }
        }
    }

    private static void addRows(float[] from, int rows, double[] to, int toAt, int ld) {
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < FloatTile.COLUMNS; j += FloatTile.WIDTH) {
                FloatVector x = FloatVector.fromArray(Lanes.FLOATS, from, i * FloatTile.COLUMNS + j);
                DoubleVector low = (DoubleVector) x.convertShape(VectorOperators.F2D, DoubleTile.SPECIES, 0);
                DoubleVector high = (DoubleVector) x.convertShape(VectorOperators.F2D, DoubleTile.SPECIES, 1);
                int k = toAt + i * ld + j;
                DoubleVector.fromArray(DoubleTile.SPECIES, to, k).add(low).intoArray(to, k);
                k += DoubleTile.WIDTH;
                DoubleVector.fromArray(DoubleTile.SPECIES, to, k).add(high).intoArray(to, k);
            }
        }
    }
}
