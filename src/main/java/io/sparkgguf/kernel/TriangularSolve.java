package io.sparkgguf.kernel;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Forward substitution with a small triangular matrix: X of {@code UᵀX = C}, in float64.
 *
 * <p>Element (i, j) is a chain {@code fma(-U[k][i], X[k][j], ...)} over k from 0 to i - 1 that starts from C, then a product
 * with {@code 1 / U[i][i]}.
 */
public final class TriangularSolve {
    /** The most rows of a call. Of larger matrices the products of blocks are {@link DoubleGemm}'s. */
    public static final int MAX_ROWS = 64;

    private static final VectorSpecies<Double> SPECIES = DoubleTile.SPECIES;
    private static final int WIDTH = DoubleTile.WIDTH;

    /** Columns that are solved at a time: two vectors. */
    private static final int STRIP = 2 * WIDTH;

    /** Rows that stay in registers. */
    private static final int ROWS = 4;

    private static final ThreadLocal<TriangularSolve> OF_THREAD = ThreadLocal.withInitial(TriangularSolve::new);

    /** -U, and on the diagonal the reciprocals. */
    private final double[] factors = new double[MAX_ROWS * MAX_ROWS];

    /** What is solved already of a strip of columns. */
    private final double[] solved = new double[MAX_ROWS * STRIP];

    private TriangularSolve() {}

    /**
     * Replaces C by X. The two may lie in the same array, but must not overlap.
     *
     * @param rows of U, C and X, {@link #MAX_ROWS} at most
     * @param u its upper triangle is read, row-major, rows {@code ldu} apart
     * @param c rows × columns, row-major, rows {@code ldc} apart
     */
    public static void solve(int rows, int columns, double[] u, int uAt, int ldu, double[] c, int cAt, int ldc) {
        TriangularSolve solve = OF_THREAD.get();
        solve.take(rows, u, uAt, ldu);
        int j = 0;
        for (; j <= columns - STRIP; j += STRIP) {
            strip(rows, solve.factors, solve.solved, c, cAt + j, ldc);
        }
        if (j < columns) {
            scalar(rows, columns - j, u, uAt, ldu, c, cAt + j, ldc);
        }
    }

    /** The definition. */
    static void scalar(int rows, int columns, double[] u, int uAt, int ldu, double[] c, int cAt, int ldc) {
        for (int i = 0; i < rows; i++) {
            for (int k = 0; k < i; k++) {
                double factor = -u[uAt + k * ldu + i];
                for (int j = 0; j < columns; j++) {
                    c[cAt + i * ldc + j] = Math.fma(factor, c[cAt + k * ldc + j], c[cAt + i * ldc + j]);
                }
            }
            double reciprocal = 1 / u[uAt + i * ldu + i];
            for (int j = 0; j < columns; j++) {
                c[cAt + i * ldc + j] *= reciprocal;
            }
        }
    }

    private void take(int rows, double[] u, int uAt, int ldu) {
        for (int k = 0; k < rows; k++) {
            factors[k * MAX_ROWS + k] = 1 / u[uAt + k * ldu + k];
            for (int i = k + 1; i < rows; i++) {
                factors[k * MAX_ROWS + i] = -u[uAt + k * ldu + i];
            }
        }
    }

    private static void strip(int rows, double[] u, double[] solved, double[] c, int cAt, int ldc) {
        int i = 0;
        for (; i <= rows - ROWS; i += ROWS) {
            fourRows(i, u, solved, c, cAt + i * ldc, ldc);
        }
        for (; i < rows; i++) {
            oneRow(i, u, solved, c, cAt + i * ldc);
        }
    }

    private static void fourRows(int i, double[] u, double[] solved, double[] c, int cAt, int ldc) {
        int at1 = cAt + ldc;
        int at2 = at1 + ldc;
        int at3 = at2 + ldc;
        DoubleVector x0 = DoubleVector.fromArray(SPECIES, c, cAt);
        DoubleVector y0 = DoubleVector.fromArray(SPECIES, c, cAt + WIDTH);
        DoubleVector x1 = DoubleVector.fromArray(SPECIES, c, at1);
        DoubleVector y1 = DoubleVector.fromArray(SPECIES, c, at1 + WIDTH);
        DoubleVector x2 = DoubleVector.fromArray(SPECIES, c, at2);
        DoubleVector y2 = DoubleVector.fromArray(SPECIES, c, at2 + WIDTH);
        DoubleVector x3 = DoubleVector.fromArray(SPECIES, c, at3);
        DoubleVector y3 = DoubleVector.fromArray(SPECIES, c, at3 + WIDTH);
        for (int k = 0; k < i; k++) {
            DoubleVector x = DoubleVector.fromArray(SPECIES, solved, k * STRIP);
            DoubleVector y = DoubleVector.fromArray(SPECIES, solved, k * STRIP + WIDTH);
            DoubleVector u0 = DoubleVector.broadcast(SPECIES, u[k * MAX_ROWS + i]);
            x0 = u0.fma(x, x0);
            y0 = u0.fma(y, y0);
            DoubleVector u1 = DoubleVector.broadcast(SPECIES, u[k * MAX_ROWS + i + 1]);
            x1 = u1.fma(x, x1);
            y1 = u1.fma(y, y1);
            DoubleVector u2 = DoubleVector.broadcast(SPECIES, u[k * MAX_ROWS + i + 2]);
            x2 = u2.fma(x, x2);
            y2 = u2.fma(y, y2);
            DoubleVector u3 = DoubleVector.broadcast(SPECIES, u[k * MAX_ROWS + i + 3]);
            x3 = u3.fma(x, x3);
            y3 = u3.fma(y, y3);
        }

        int row = i * MAX_ROWS + i;
        DoubleVector r = DoubleVector.broadcast(SPECIES, u[row]);
        x0 = x0.mul(r);
        y0 = y0.mul(r);
        DoubleVector f = DoubleVector.broadcast(SPECIES, u[row + 1]);
        x1 = f.fma(x0, x1);
        y1 = f.fma(y0, y1);
        f = DoubleVector.broadcast(SPECIES, u[row + 2]);
        x2 = f.fma(x0, x2);
        y2 = f.fma(y0, y2);
        f = DoubleVector.broadcast(SPECIES, u[row + 3]);
        x3 = f.fma(x0, x3);
        y3 = f.fma(y0, y3);

        row += MAX_ROWS + 1;
        r = DoubleVector.broadcast(SPECIES, u[row]);
        x1 = x1.mul(r);
        y1 = y1.mul(r);
        f = DoubleVector.broadcast(SPECIES, u[row + 1]);
        x2 = f.fma(x1, x2);
        y2 = f.fma(y1, y2);
        f = DoubleVector.broadcast(SPECIES, u[row + 2]);
        x3 = f.fma(x1, x3);
        y3 = f.fma(y1, y3);

        row += MAX_ROWS + 1;
        r = DoubleVector.broadcast(SPECIES, u[row]);
        x2 = x2.mul(r);
        y2 = y2.mul(r);
        f = DoubleVector.broadcast(SPECIES, u[row + 1]);
        x3 = f.fma(x2, x3);
        y3 = f.fma(y2, y3);

        r = DoubleVector.broadcast(SPECIES, u[row + MAX_ROWS + 1]);
        x3 = x3.mul(r);
        y3 = y3.mul(r);

        int at = i * STRIP;
        x0.intoArray(solved, at);
        y0.intoArray(solved, at + WIDTH);
        x1.intoArray(solved, at + STRIP);
        y1.intoArray(solved, at + STRIP + WIDTH);
        x2.intoArray(solved, at + 2 * STRIP);
        y2.intoArray(solved, at + 2 * STRIP + WIDTH);
        x3.intoArray(solved, at + 3 * STRIP);
        y3.intoArray(solved, at + 3 * STRIP + WIDTH);
        x0.intoArray(c, cAt);
        y0.intoArray(c, cAt + WIDTH);
        x1.intoArray(c, at1);
        y1.intoArray(c, at1 + WIDTH);
        x2.intoArray(c, at2);
        y2.intoArray(c, at2 + WIDTH);
        x3.intoArray(c, at3);
        y3.intoArray(c, at3 + WIDTH);
    }

    private static void oneRow(int i, double[] u, double[] solved, double[] c, int cAt) {
        DoubleVector x0 = DoubleVector.fromArray(SPECIES, c, cAt);
        DoubleVector y0 = DoubleVector.fromArray(SPECIES, c, cAt + WIDTH);
        for (int k = 0; k < i; k++) {
            DoubleVector u0 = DoubleVector.broadcast(SPECIES, u[k * MAX_ROWS + i]);
            x0 = u0.fma(DoubleVector.fromArray(SPECIES, solved, k * STRIP), x0);
            y0 = u0.fma(DoubleVector.fromArray(SPECIES, solved, k * STRIP + WIDTH), y0);
        }
        DoubleVector r = DoubleVector.broadcast(SPECIES, u[i * MAX_ROWS + i]);
        x0 = x0.mul(r);
        y0 = y0.mul(r);
        x0.intoArray(solved, i * STRIP);
        y0.intoArray(solved, i * STRIP + WIDTH);
        x0.intoArray(c, cAt);
        y0.intoArray(c, cAt + WIDTH);
    }
}
