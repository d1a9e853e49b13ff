package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * The innermost product of floats: a tile of C that stays in registers, {@link #ROWS} rows of two vectors, while k goes by.
 *
 * <p>Each element adds over k in order, one fused multiply-add after the other. The tile's height follows the number of
 * registers: of 512 bits there are 32, of less there may be 16. It is one method with a local variable for each vector:
 * a vector in an array or a field would be an object.
 */
final class FloatTile {
    /** Lanes of a vector. */
    static final int WIDTH = Lanes.WIDTH;

    /** Rows of a tile. */
    static final int ROWS = Lanes.FLOATS.vectorBitSize() == 512 ? 12 : 6;

    /** Columns of a tile. */
    static final int COLUMNS = 2 * WIDTH;

    /** The largest k of a call. */
    static final int DEPTH = 1024;

    /**
     * From a panel of B, of one vector's columns, to the next. Some more than its length, lest all begin in the same lines of
     * a cache.
     */
    static final int PANEL = (DEPTH + 4) * WIDTH;

    private FloatTile() {}

    /**
     * {@code C = A B} or {@code C += A B} of one tile.
     *
     * @param a k times {@link #ROWS} elements: a column of A after the other
     * @param b k times {@link #WIDTH} elements, a row of B after the other; the right half in the next panel
     */
    static void multiply(int k, float[] a, int aAt, float[] b, int bAt, boolean add, float[] c, int cAt, int ldc) {
        if (!add) {
            clear(c, cAt, ldc);
        }
        if (ROWS == 12) {
            twelve(k, a, aAt, b, bAt, c, cAt, ldc);
        } else {
            six(k, a, aAt, b, bAt, c, cAt, ldc);
        }
    }

    /**
     * Lets the tile begin at 0. A choice between 0 and what C holds within the kernel would meet HotSpot as vectors of two
     * origins, of which it makes objects once it has seen both.
     */
    private static void clear(float[] c, int cAt, int ldc) {
        for (int row = 0; row < ROWS; row++) {
            Arrays.fill(c, cAt + row * ldc, cAt + row * ldc + COLUMNS, 0);
        }
    }

    private static void twelve(int k, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int ldc) {
        FloatVector x0 = FloatVector.fromArray(Lanes.FLOATS, c, cAt);
        FloatVector y0 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + WIDTH);
        FloatVector x1 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + ldc);
        FloatVector y1 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + ldc + WIDTH);
        FloatVector x2 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 2 * ldc);
        FloatVector y2 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 2 * ldc + WIDTH);
        FloatVector x3 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 3 * ldc);
        FloatVector y3 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 3 * ldc + WIDTH);
        FloatVector x4 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 4 * ldc);
        FloatVector y4 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 4 * ldc + WIDTH);
        FloatVector x5 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 5 * ldc);
        FloatVector y5 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 5 * ldc + WIDTH);
        FloatVector x6 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 6 * ldc);
        FloatVector y6 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 6 * ldc + WIDTH);
        FloatVector x7 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 7 * ldc);
        FloatVector y7 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 7 * ldc + WIDTH);
        FloatVector x8 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 8 * ldc);
        FloatVector y8 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 8 * ldc + WIDTH);
        FloatVector x9 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 9 * ldc);
        FloatVector y9 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 9 * ldc + WIDTH);
        FloatVector x10 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 10 * ldc);
        FloatVector y10 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 10 * ldc + WIDTH);
        FloatVector x11 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 11 * ldc);
        FloatVector y11 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 11 * ldc + WIDTH);
        for (int p = 0; p < k; p++) {
            FloatVector x = FloatVector.fromArray(Lanes.FLOATS, b, bAt + p * WIDTH);
            FloatVector y = FloatVector.fromArray(Lanes.FLOATS, b, bAt + PANEL + p * WIDTH);
            FloatVector a0 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12]);
            x0 = a0.fma(x, x0);
            y0 = a0.fma(y, y0);
            FloatVector a1 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 1]);
            x1 = a1.fma(x, x1);
            y1 = a1.fma(y, y1);
            FloatVector a2 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 2]);
            x2 = a2.fma(x, x2);
            y2 = a2.fma(y, y2);
            FloatVector a3 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 3]);
            x3 = a3.fma(x, x3);
            y3 = a3.fma(y, y3);
            FloatVector a4 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 4]);
            x4 = a4.fma(x, x4);
            y4 = a4.fma(y, y4);
            FloatVector a5 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 5]);
            x5 = a5.fma(x, x5);
            y5 = a5.fma(y, y5);
            FloatVector a6 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 6]);
            x6 = a6.fma(x, x6);
            y6 = a6.fma(y, y6);
            FloatVector a7 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 7]);
            x7 = a7.fma(x, x7);
            y7 = a7.fma(y, y7);
            FloatVector a8 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 8]);
            x8 = a8.fma(x, x8);
            y8 = a8.fma(y, y8);
            FloatVector a9 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 9]);
            x9 = a9.fma(x, x9);
            y9 = a9.fma(y, y9);
            FloatVector a10 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 10]);
            x10 = a10.fma(x, x10);
            y10 = a10.fma(y, y10);
            FloatVector a11 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 12 + 11]);
            x11 = a11.fma(x, x11);
            y11 = a11.fma(y, y11);
        }
        x0.intoArray(c, cAt);
        y0.intoArray(c, cAt + WIDTH);
        x1.intoArray(c, cAt + ldc);
        y1.intoArray(c, cAt + ldc + WIDTH);
        x2.intoArray(c, cAt + 2 * ldc);
        y2.intoArray(c, cAt + 2 * ldc + WIDTH);
        x3.intoArray(c, cAt + 3 * ldc);
        y3.intoArray(c, cAt + 3 * ldc + WIDTH);
        x4.intoArray(c, cAt + 4 * ldc);
        y4.intoArray(c, cAt + 4 * ldc + WIDTH);
        x5.intoArray(c, cAt + 5 * ldc);
        y5.intoArray(c, cAt + 5 * ldc + WIDTH);
        x6.intoArray(c, cAt + 6 * ldc);
        y6.intoArray(c, cAt + 6 * ldc + WIDTH);
        x7.intoArray(c, cAt + 7 * ldc);
        y7.intoArray(c, cAt + 7 * ldc + WIDTH);
        x8.intoArray(c, cAt + 8 * ldc);
        y8.intoArray(c, cAt + 8 * ldc + WIDTH);
        x9.intoArray(c, cAt + 9 * ldc);
        y9.intoArray(c, cAt + 9 * ldc + WIDTH);
        x10.intoArray(c, cAt + 10 * ldc);
        y10.intoArray(c, cAt + 10 * ldc + WIDTH);
        x11.intoArray(c, cAt + 11 * ldc);
        y11.intoArray(c, cAt + 11 * ldc + WIDTH);
    }

    private static void six(int k, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int ldc) {
        FloatVector x0 = FloatVector.fromArray(Lanes.FLOATS, c, cAt);
        FloatVector y0 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + WIDTH);
        FloatVector x1 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + ldc);
        FloatVector y1 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + ldc + WIDTH);
        FloatVector x2 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 2 * ldc);
        FloatVector y2 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 2 * ldc + WIDTH);
        FloatVector x3 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 3 * ldc);
        FloatVector y3 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 3 * ldc + WIDTH);
        FloatVector x4 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 4 * ldc);
        FloatVector y4 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 4 * ldc + WIDTH);
        FloatVector x5 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 5 * ldc);
        FloatVector y5 = FloatVector.fromArray(Lanes.FLOATS, c, cAt + 5 * ldc + WIDTH);
        for (int p = 0; p < k; p++) {
            FloatVector x = FloatVector.fromArray(Lanes.FLOATS, b, bAt + p * WIDTH);
            FloatVector y = FloatVector.fromArray(Lanes.FLOATS, b, bAt + PANEL + p * WIDTH);
            FloatVector a0 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 6]);
            x0 = a0.fma(x, x0);
            y0 = a0.fma(y, y0);
            FloatVector a1 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 6 + 1]);
            x1 = a1.fma(x, x1);
            y1 = a1.fma(y, y1);
            FloatVector a2 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 6 + 2]);
            x2 = a2.fma(x, x2);
            y2 = a2.fma(y, y2);
            FloatVector a3 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 6 + 3]);
            x3 = a3.fma(x, x3);
            y3 = a3.fma(y, y3);
            FloatVector a4 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 6 + 4]);
            x4 = a4.fma(x, x4);
            y4 = a4.fma(y, y4);
            FloatVector a5 = FloatVector.broadcast(Lanes.FLOATS, a[aAt + p * 6 + 5]);
            x5 = a5.fma(x, x5);
            y5 = a5.fma(y, y5);
        }
        x0.intoArray(c, cAt);
        y0.intoArray(c, cAt + WIDTH);
        x1.intoArray(c, cAt + ldc);
        y1.intoArray(c, cAt + ldc + WIDTH);
        x2.intoArray(c, cAt + 2 * ldc);
        y2.intoArray(c, cAt + 2 * ldc + WIDTH);
        x3.intoArray(c, cAt + 3 * ldc);
        y3.intoArray(c, cAt + 3 * ldc + WIDTH);
        x4.intoArray(c, cAt + 4 * ldc);
        y4.intoArray(c, cAt + 4 * ldc + WIDTH);
        x5.intoArray(c, cAt + 5 * ldc);
        y5.intoArray(c, cAt + 5 * ldc + WIDTH);
    }
}
