package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Products of floats, with the panels that a thread keeps for them: about 5 MB. */
final class FloatPanels extends BlockedProduct {
    private static final int BLOCK_ROWS = 384;
    private static final int BLOCK_COLUMNS = 2048;

    /** Rows of a panel in whole vectors; the last may reach into what the next row of the panel overwrites. */
    private static final int ROUNDED = (FloatTile.ROWS + FloatTile.WIDTH - 1) / FloatTile.WIDTH * FloatTile.WIDTH;

    /** Columns of A that are transposed at a time. */
    private static final int STRIP = 64;

    private static final int LEFT_PANEL = FloatTile.DEPTH * FloatTile.ROWS + ROUNDED;
    private static final int RIGHT_PANEL = FloatTile.DEPTH * FloatTile.COLUMNS;
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
        super(FloatTile.ROWS, FloatTile.COLUMNS, FloatTile.DEPTH, BLOCK_ROWS, BLOCK_COLUMNS);
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
        panels.runAndForget(m, n, k, add, upper);
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
        panels.runAndForget(rows, columns, tokens, false, upper);
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

    private void runAndForget(int m, int n, int k, boolean add, boolean upper) {
        try {
            run(m, n, k, add, upper);
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
            for (int q = 0; q < k; q++) {
                packColumn(from + q * aColumn, rows, q * FloatTile.ROWS);
            }
        } else {
            for (int i = 0; i < rows; i += FloatTile.ROWS) {
                int height = Math.min(FloatTile.ROWS, rows - i);
                packRows(from + i * aRow, height, k, i / FloatTile.ROWS * LEFT_PANEL);
            }
        }
    }

    /** A column of A, contiguous, into all panels. */
    private void packColumn(int from, int rows, int to) {
        int i = 0;
        for (; i <= rows - FloatTile.ROWS && from + i + ROUNDED <= a.length; i += FloatTile.ROWS) {
            for (int lane = 0; lane < FloatTile.ROWS; lane += FloatTile.WIDTH) {
                FloatVector.fromArray(Lanes.FLOATS, a, from + i + lane)
                        .mul(sign)
                        .intoArray(left, to + lane);
            }
            to += LEFT_PANEL;
        }
        for (; i < rows; i += FloatTile.ROWS) {
            for (int r = 0; r < FloatTile.ROWS; r++) {
                left[to + r] = i + r < rows ? sign * a[from + i + r] : 0;
            }
            to += LEFT_PANEL;
        }
    }

    /** Rows of A, each contiguous, into a panel. */
    private void packRows(int from, int rows, int k, int to) {
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
            for (int q = 0; q < k; q++) {
                packRow(from + q * bRow, columns, q * FloatTile.WIDTH);
            }
        } else {
            for (int j = 0; j < columns; j += FloatTile.WIDTH) {
                packColumns(from + j * bColumn, Math.min(FloatTile.WIDTH, columns - j), k, j * FloatTile.DEPTH);
            }
        }
        if ((columns - 1) / FloatTile.WIDTH % 2 == 0) { // the right half of the last tile
            int at = ((columns - 1) / FloatTile.WIDTH + 1) * FloatTile.DEPTH * FloatTile.WIDTH;
            Arrays.fill(right, at, at + k * FloatTile.WIDTH, 0);
        }
    }

    /** A row of B, contiguous, into all panels. */
    private void packRow(int from, int columns, int to) {
        int j = 0;
        for (; j <= columns - FloatTile.WIDTH; j += FloatTile.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, b, from + j).intoArray(right, to + j * FloatTile.DEPTH);
        }
        if (j < columns) {
            for (int lane = 0; lane < FloatTile.WIDTH; lane++) {
                right[to + j * FloatTile.DEPTH + lane] = j + lane < columns ? b[from + j + lane] : 0;
            }
        }
    }

    /** Columns of B, each contiguous, into a panel of one vector's columns. */
    private void packColumns(int from, int columns, int k, int to) {
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
        for (int i = 0; i < rows; i++) {
            int from = i * FloatTile.COLUMNS;
            int to = (row + i) * ldc + column;
            if (columns == FloatTile.COLUMNS) {
                addRow(edge, from, sums, to);
            } else {
                for (int j = 0; j < columns; j++) {
                    sums[to + j] += edge[from + j];
                }
            }
        }
    }

    private static void addRow(float[] from, int at, double[] to, int toAt) {
        for (int j = 0; j < FloatTile.COLUMNS; j += FloatTile.WIDTH) {
            FloatVector x = FloatVector.fromArray(Lanes.FLOATS, from, at + j);
            DoubleVector low = (DoubleVector) x.convertShape(VectorOperators.F2D, DoubleTile.SPECIES, 0);
            DoubleVector high = (DoubleVector) x.convertShape(VectorOperators.F2D, DoubleTile.SPECIES, 1);
            int k = toAt + j;
            DoubleVector.fromArray(DoubleTile.SPECIES, to, k).add(low).intoArray(to, k);
            k += DoubleTile.WIDTH;
            DoubleVector.fromArray(DoubleTile.SPECIES, to, k).add(high).intoArray(to, k);
        }
    }
}
