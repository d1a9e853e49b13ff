package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The innermost product of doubles: a tile of C that stays in registers, {@link #ROWS} rows of two vectors, while k goes by.
 *
 * <p>Each element adds over k in order, one fused multiply-add after the other. The tile's height follows the number of
 * registers: of 512 bits there are 32, of less there may be 16. It is one method with a local variable for each vector:
 * a vector in an array or a field would be an object.
 */
final class DoubleTile {
    static final VectorSpecies<Double> SPECIES = DoubleVector.SPECIES_PREFERRED;

    /** Lanes of a vector. */
    static final int WIDTH = SPECIES.length();

    /** Rows of a tile. */
    static final int ROWS = SPECIES.vectorBitSize() == 512 ? 12 : 6;

    /** Columns of a tile. */
    static final int COLUMNS = 2 * WIDTH;

    /** The largest k of a call. */
    static final int DEPTH = 512;

    /**
     * From a panel of B, of one vector's columns, to the next. Some more than its length, lest all begin in the same lines of
     * a cache.
     */
    static final int PANEL = (DEPTH + 4) * WIDTH;

    private DoubleTile() {}

    /**
     * {@code C = A B} or {@code C += A B} of one tile.
     *
     * @param a k times {@link #ROWS} elements: a column of A after the other
     * @param b k times {@link #WIDTH} elements, a row of B after the other; the right half in the next panel
     */
    static void multiply(int k, double[] a, int aAt, double[] b, int bAt, boolean add, double[] c, int cAt, int ldc) {
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
    private static void clear(double[] c, int cAt, int ldc) {
        for (int row = 0; row < ROWS; row++) {
            Arrays.fill(c, cAt + row * ldc, cAt + row * ldc + COLUMNS, 0);
        }
    }

    private static void twelve(int k, double[] a, int aAt, double[] b, int bAt, double[] c, int cAt, int ldc) {
        DoubleVector x0 = DoubleVector.fromArray(SPECIES, c, cAt);
        DoubleVector y0 = DoubleVector.fromArray(SPECIES, c, cAt + WIDTH);
        DoubleVector x1 = DoubleVector.fromArray(SPECIES, c, cAt + ldc);
        DoubleVector y1 = DoubleVector.fromArray(SPECIES, c, cAt + ldc + WIDTH);
        DoubleVector x2 = DoubleVector.fromArray(SPECIES, c, cAt + 2 * ldc);
        DoubleVector y2 = DoubleVector.fromArray(SPECIES, c, cAt + 2 * ldc + WIDTH);
        DoubleVector x3 = DoubleVector.fromArray(SPECIES, c, cAt + 3 * ldc);
        DoubleVector y3 = DoubleVector.fromArray(SPECIES, c, cAt + 3 * ldc + WIDTH);
        DoubleVector x4 = DoubleVector.fromArray(SPECIES, c, cAt + 4 * ldc);
        DoubleVector y4 = DoubleVector.fromArray(SPECIES, c, cAt + 4 * ldc + WIDTH);
        DoubleVector x5 = DoubleVector.fromArray(SPECIES, c, cAt + 5 * ldc);
        DoubleVector y5 = DoubleVector.fromArray(SPECIES, c, cAt + 5 * ldc + WIDTH);
        DoubleVector x6 = DoubleVector.fromArray(SPECIES, c, cAt + 6 * ldc);
        DoubleVector y6 = DoubleVector.fromArray(SPECIES, c, cAt + 6 * ldc + WIDTH);
        DoubleVector x7 = DoubleVector.fromArray(SPECIES, c, cAt + 7 * ldc);
        DoubleVector y7 = DoubleVector.fromArray(SPECIES, c, cAt + 7 * ldc + WIDTH);
        DoubleVector x8 = DoubleVector.fromArray(SPECIES, c, cAt + 8 * ldc);
        DoubleVector y8 = DoubleVector.fromArray(SPECIES, c, cAt + 8 * ldc + WIDTH);
        DoubleVector x9 = DoubleVector.fromArray(SPECIES, c, cAt + 9 * ldc);
        DoubleVector y9 = DoubleVector.fromArray(SPECIES, c, cAt + 9 * ldc + WIDTH);
        DoubleVector x10 = DoubleVector.fromArray(SPECIES, c, cAt + 10 * ldc);
        DoubleVector y10 = DoubleVector.fromArray(SPECIES, c, cAt + 10 * ldc + WIDTH);
        DoubleVector x11 = DoubleVector.fromArray(SPECIES, c, cAt + 11 * ldc);
        DoubleVector y11 = DoubleVector.fromArray(SPECIES, c, cAt + 11 * ldc + WIDTH);
        for (int p = 0; p < k; p++) {
            DoubleVector x = DoubleVector.fromArray(SPECIES, b, bAt + p * WIDTH);
            DoubleVector y = DoubleVector.fromArray(SPECIES, b, bAt + PANEL + p * WIDTH);
            DoubleVector a0 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12]);
            x0 = a0.fma(x, x0);
            y0 = a0.fma(y, y0);
            DoubleVector a1 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 1]);
            x1 = a1.fma(x, x1);
            y1 = a1.fma(y, y1);
            DoubleVector a2 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 2]);
            x2 = a2.fma(x, x2);
            y2 = a2.fma(y, y2);
            DoubleVector a3 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 3]);
            x3 = a3.fma(x, x3);
            y3 = a3.fma(y, y3);
            DoubleVector a4 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 4]);
            x4 = a4.fma(x, x4);
            y4 = a4.fma(y, y4);
            DoubleVector a5 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 5]);
            x5 = a5.fma(x, x5);
            y5 = a5.fma(y, y5);
            DoubleVector a6 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 6]);
            x6 = a6.fma(x, x6);
            y6 = a6.fma(y, y6);
            DoubleVector a7 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 7]);
            x7 = a7.fma(x, x7);
            y7 = a7.fma(y, y7);
            DoubleVector a8 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 8]);
            x8 = a8.fma(x, x8);
            y8 = a8.fma(y, y8);
            DoubleVector a9 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 9]);
            x9 = a9.fma(x, x9);
            y9 = a9.fma(y, y9);
            DoubleVector a10 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 10]);
            x10 = a10.fma(x, x10);
            y10 = a10.fma(y, y10);
            DoubleVector a11 = DoubleVector.broadcast(SPECIES, a[aAt + p * 12 + 11]);
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

    private static void six(int k, double[] a, int aAt, double[] b, int bAt, double[] c, int cAt, int ldc) {
        DoubleVector x0 = DoubleVector.fromArray(SPECIES, c, cAt);
        DoubleVector y0 = DoubleVector.fromArray(SPECIES, c, cAt + WIDTH);
        DoubleVector x1 = DoubleVector.fromArray(SPECIES, c, cAt + ldc);
        DoubleVector y1 = DoubleVector.fromArray(SPECIES, c, cAt + ldc + WIDTH);
        DoubleVector x2 = DoubleVector.fromArray(SPECIES, c, cAt + 2 * ldc);
        DoubleVector y2 = DoubleVector.fromArray(SPECIES, c, cAt + 2 * ldc + WIDTH);
        DoubleVector x3 = DoubleVector.fromArray(SPECIES, c, cAt + 3 * ldc);
        DoubleVector y3 = DoubleVector.fromArray(SPECIES, c, cAt + 3 * ldc + WIDTH);
        DoubleVector x4 = DoubleVector.fromArray(SPECIES, c, cAt + 4 * ldc);
        DoubleVector y4 = DoubleVector.fromArray(SPECIES, c, cAt + 4 * ldc + WIDTH);
        DoubleVector x5 = DoubleVector.fromArray(SPECIES, c, cAt + 5 * ldc);
        DoubleVector y5 = DoubleVector.fromArray(SPECIES, c, cAt + 5 * ldc + WIDTH);
        for (int p = 0; p < k; p++) {
            DoubleVector x = DoubleVector.fromArray(SPECIES, b, bAt + p * WIDTH);
            DoubleVector y = DoubleVector.fromArray(SPECIES, b, bAt + PANEL + p * WIDTH);
            DoubleVector a0 = DoubleVector.broadcast(SPECIES, a[aAt + p * 6]);
            x0 = a0.fma(x, x0);
            y0 = a0.fma(y, y0);
            DoubleVector a1 = DoubleVector.broadcast(SPECIES, a[aAt + p * 6 + 1]);
            x1 = a1.fma(x, x1);
            y1 = a1.fma(y, y1);
            DoubleVector a2 = DoubleVector.broadcast(SPECIES, a[aAt + p * 6 + 2]);
            x2 = a2.fma(x, x2);
            y2 = a2.fma(y, y2);
            DoubleVector a3 = DoubleVector.broadcast(SPECIES, a[aAt + p * 6 + 3]);
            x3 = a3.fma(x, x3);
            y3 = a3.fma(y, y3);
            DoubleVector a4 = DoubleVector.broadcast(SPECIES, a[aAt + p * 6 + 4]);
            x4 = a4.fma(x, x4);
            y4 = a4.fma(y, y4);
            DoubleVector a5 = DoubleVector.broadcast(SPECIES, a[aAt + p * 6 + 5]);
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
