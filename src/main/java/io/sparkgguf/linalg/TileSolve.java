package io.sparkgguf.linalg;

import io.sparkgguf.kernel.DoubleGemm;
import io.sparkgguf.kernel.TriangularSolve;
import java.io.IOException;

/**
 * What is done to single tiles while a matrix is factored and its factor inverted, in {@link InverseFactor}'s terms: G is the
 * matrix with rows and columns in reverse order, {@code G = UᵀU}, {@code UᵀX = I}.
 */
final class TileSolve {
    /** So many rows are factored one by one: a matrix product of fewer does not pay. */
    private static final int FACTOR_ROWS = 16;

    /** Columns of a triangular tile whose common zeros are left out of its products. */
    private static final int STRIP = 128;

    /** Side of the squares in which a tile is transposed. */
    private static final int SQUARE = 8;

    private final int size;
    private final int count;
    /** The reversed matrix begins with so many rows and columns that fill the tile only. */
    private final int padding;

    /** @param order rows and columns of the matrix */
    TileSolve(int order, int size) {
        this.size = size;
        count = (int) (((long) order + size - 1) / size);
        padding = Math.toIntExact((long) count * size - order);
    }

    /** Tiles in a row of tiles. */
    int count() {
        return count;
    }

    /** First row and column of the reversed matrix in a tile. */
    int from(int tile) {
        return tile == 0 ? padding : 0;
    }

    /** Tile (j, i) of the reversed matrix, from the upper half of H: reflected in the other diagonal. */
    void loadReversed(Tiles h, int j, int i, double[] buffer, double[] into) throws IOException {
        double[] tile = look(h, j, i, buffer);
        int last = size - 1;
        for (int top = 0; top < size; top += SQUARE) {
            for (int left = 0; left < size; left += SQUARE) {
                for (int row = top; row < Math.min(size, top + SQUARE); row++) {
                    for (int column = left; column < Math.min(size, left + SQUARE); column++) {
                        into[row * size + column] = tile[(last - column) * size + last - row];
                    }
                }
            }
        }
    }

    /** Tile (j, i) of U, or (i, j) of X, where H and R have that of the same elements. */
    double[] look(Tiles tiles, int j, int i, double[] buffer) throws IOException {
        return tiles.look(count - 1 - i, count - 1 - j, buffer);
    }

    /** Copies what {@link #look} shows. */
    void read(Tiles tiles, int j, int i, double[] into) throws IOException {
        tiles.read(count - 1 - i, count - 1 - j, into);
    }

    /** Writes what {@link #look} will show. */
    void store(Tiles tiles, int j, int i, double[] tile) throws IOException {
        tiles.write(count - 1 - i, count - 1 - j, tile);
    }

    /** What row k of tiles of U leaves of tile (j, i), of which a is tile (k, j) and b tile (k, i). */
    void subtractRow(int k, double[] a, double[] b, boolean diagonal, double[] target) {
        int at = from(k) * size;
        if (diagonal) {
            DoubleGemm.subtractGram(size, size - from(k), a, at, size, target, 0, size);
        } else {
            subtract(size, size - from(k), a, at, b, at, target, 0);
        }
    }

    /** What tile (j, j) of X leaves of tile (i, j), of which u is tile (j, i) of U: X has zeros above its diagonal. */
    void subtractDiagonal(int j, double[] u, double[] x, double[] target) {
        for (int column = from(j); column < size; column += STRIP) {
            int columns = Math.min(STRIP, size - column);
            int at = column * size;
            subtract(columns, size - column, u, at, x, at + column, target, column);
        }
    }

    /** What tile (k, j) of X leaves of tile (i, j), of which u is tile (k, i) of U; k lies between. */
    void subtractBelow(int j, double[] u, double[] x, double[] target) {
        subtract(size - from(j), size, u, 0, x, from(j), target, from(j));
    }

    /** C -= Aᵀ B of {@code columns} columns of B, all of A. */
    private void subtract(int columns, int k, double[] a, int aAt, double[] b, int bAt, double[] c, int cAt) {
        DoubleGemm.subtractTransposedLeft(size, columns, k, a, aAt, size, b, bAt, size, c, cAt, size);
    }

    /**
     * Factors a tile of the diagonal in place: tile (j, j) of U.
     *
     * @throws NotPositiveDefiniteException with the row of H
     */
    void factor(int j, double[] u) throws NotPositiveDefiniteException {
        factor(j, u, from(j), size);
    }

    /** In halves: the first half, what it leaves of the second, the second. */
    private void factor(int tile, double[] u, int from, int to) throws NotPositiveDefiniteException {
        int half = half(from, to, FACTOR_ROWS);
        if (half < to) {
            factor(tile, u, from, half);
            solve(u, from, half, u, half, to);
            int at = from * size + half;
            DoubleGemm.subtractGram(to - half, half - from, u, at, size, u, half * size + half, size);
            factor(tile, u, half, to);
            return;
        }
        for (int row = from; row < to; row++) {
            for (int k = from; k < row; k++) {
                double factor = -u[k * size + row];
                for (int j = row; j < to; j++) {
                    u[row * size + j] = Math.fma(factor, u[k * size + j], u[row * size + j]);
                }
            }
            double pivot = u[row * size + row];
            if (!(pivot > 0 && pivot < Double.POSITIVE_INFINITY)) {
                throw new NotPositiveDefiniteException((long) (count - tile) * size - 1 - row, pivot);
            }
            double root = Math.sqrt(pivot);
            double reciprocal = 1 / root;
            u[row * size + row] = root;
            for (int j = row + 1; j < to; j++) {
                u[row * size + j] *= reciprocal;
            }
        }
    }

    /** Tile (j, i) of U in place of what is left of it, behind tile (j, j). */
    void solveRow(int j, double[] diagonal, double[] target) {
        solve(diagonal, from(j), size, target, 0, size);
    }

    /** Tile (i, j) of X in place of what is left of it, below the diagonal; {@code diagonal} is tile (i, i) of U. */
    void solveBelow(int j, double[] diagonal, double[] target) {
        solve(diagonal, 0, size, target, from(j), size);
    }

    /** Tile (j, j) of X into zeros; u is that of U. */
    void invertDiagonal(int j, double[] u, double[] x) {
        invertDiagonal(u, x, from(j), size);
    }

    private void invertDiagonal(double[] u, double[] x, int from, int to) {
        int half = half(from, to, TriangularSolve.MAX_ROWS);
        if (half < to) {
            invertDiagonal(u, x, from, half);
            subtractRows(u, from, half, to, x, from, half);
            solve(u, half, to, x, from, half);
            invertDiagonal(u, x, half, to);
            return;
        }
        for (int row = from; row < to; row++) {
            x[row * size + row] = 1;
        }
        solve(u, from, to, x, from, to);
    }

    /** X of {@code UᵀX = C}, in place of C: rows {@code from} to {@code to}, columns {@code left} to {@code right}. */
    private void solve(double[] u, int from, int to, double[] c, int left, int right) {
        int half = half(from, to, TriangularSolve.MAX_ROWS);
        if (half < to) {
            solve(u, from, half, c, left, right);
            subtractRows(u, from, half, to, c, left, right);
            solve(u, half, to, c, left, right);
            return;
        }
        int at = from * size;
        TriangularSolve.solve(to - from, right - left, u, at + from, size, c, at + left, size);
    }

    /** What rows {@code from} to {@code half} of C, solved, leave of those until {@code to}. */
    private void subtractRows(double[] u, int from, int half, int to, double[] c, int left, int right) {
        DoubleGemm.subtractTransposedLeft(
                to - half,
                right - left,
                half - from,
                u,
                from * size + half,
                size,
                c,
                from * size + left,
                size,
                c,
                half * size + left,
                size);
    }

    /** Where rows are cut in two; {@code to} if they are no more than {@code few}, of which the first half is a multiple. */
    private static int half(int from, int to, int few) {
        int rows = to - from;
        return rows <= few ? to : from + (rows / 2 + few - 1) / few * few;
    }

    /** A tile of X, all of whose tiles that need it were made, as R has it. */
    static void reverse(double[] x, double[] into) {
        for (int low = 0, high = x.length - 1; high >= 0; low++, high--) {
            into[low] = x[high];
        }
    }
}
