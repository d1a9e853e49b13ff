package io.sparkgguf.linalg;

import io.sparkgguf.kernel.DoubleGemm;
import io.sparkgguf.kernel.TriangularSolve;
import java.io.IOException;
import java.util.Arrays;

/**
 * The upper triangular R with {@code H⁻¹ = RᵀR}, of a symmetric positive definite H, without forming the inverse: factored
 * from its last row up, {@code H = V Vᵀ} with V upper triangular, and {@code R = V⁻¹}.
 *
 * <p>Both steps are forward substitutions on the matrix with rows and columns in reverse order, G: {@code G = UᵀU}, then
 * {@code UᵀX = I}, where X is R reversed. Each row of tiles of U, then each column of tiles of X, is computed once from those
 * before it (left-looking), and a tile of X takes the place of the tile of U that is no longer needed. So a tile is written
 * three times in all, and read once for each product. Four tiles are held at a time.
 *
 * <p>Each element is a chain of fused multiply-subtracts in the order of elimination, then a product with the reciprocal of the
 * pivot: its bits do not depend on the size of tiles.
 */
public final class InverseFactor {
    /** So many rows are factored one by one: a matrix product of fewer does not pay. */
    private static final int FACTOR_ROWS = 16;

    /** Columns of a triangular tile whose common zeros are left out of its products. */
    private static final int STRIP = 128;

    /** Side of the squares in which a tile is transposed. */
    private static final int SQUARE = 8;

    private final Tiles h;
    private final Tiles r;
    private final int size;
    private final int count;
    /** The reversed matrix begins with so many rows and columns that fill the tile only. */
    private final int padding;

    private final double[] target;
    private final double[] left;
    private final double[] right;

    private InverseFactor(Tiles h, Tiles r) {
        this.h = h;
        this.r = r;
        size = h.tileSize();
        count = h.count();
        padding = Math.toIntExact((long) count * size - h.order());
        target = new double[size * size];
        left = new double[size * size];
        right = new double[size * size];
    }

    /**
     * Computes R. H may be the same object as R, and is then overwritten; otherwise it is only read.
     *
     * @param h symmetric; of the tiles on the diagonal the upper half is read
     * @param r of the same order and tile size
     * @throws NotPositiveDefiniteException with the row of H at which a pivot was not positive; what R holds is unspecified
     */
    public static void compute(Tiles h, Tiles r) throws IOException, NotPositiveDefiniteException {
        if (h.order() != r.order() || h.tileSize() != r.tileSize()) {
            throw new IllegalArgumentException("Cannot factor into other tiles: order " + h.order() + " and "
                    + r.order() + ", tile size " + h.tileSize() + " and " + r.tileSize());
        }
        InverseFactor factor = new InverseFactor(h, r);
        factor.factor();
        factor.invert();
    }

    /** {@code G = UᵀU}, U row of tiles by row of tiles. */
    private void factor() throws IOException, NotPositiveDefiniteException {
        double[] diagonal = new double[size * size];
        for (int j = 0; j < count; j++) {
            int from = from(j);
            for (int i = j; i < count; i++) {
                loadReversed(j, i);
                for (int k = 0; k < j; k++) {
                    double[] a = look(k, j, left);
                    int at = from(k) * size;
                    if (i == j) {
                        DoubleGemm.subtractGram(size, size - from(k), a, at, size, target, 0, size);
                    } else {
                        subtract(size, size - from(k), a, at, look(k, i, right), at, target, 0);
                    }
                }
                if (i == j) {
                    factor(j, target, from, size);
                    System.arraycopy(target, 0, diagonal, 0, target.length);
                } else {
                    solve(diagonal, from, size, target, 0, size);
                }
                store(j, i, target);
            }
        }
    }

    /** {@code UᵀX = I}, X column of tiles by column of tiles; at last each tile is brought into R's order. */
    private void invert() throws IOException {
        for (int j = 0; j < count; j++) {
            int from = from(j);
            Arrays.fill(target, 0);
            invertDiagonal(look(j, j, left), target, from, size);
            store(j, j, target);
            for (int i = j + 1; i < count; i++) {
                Arrays.fill(target, 0);
                double[] u = look(j, i, left);
                double[] x = look(j, j, right);
                for (int column = from; column < size; column += STRIP) {
                    int columns = Math.min(STRIP, size - column);
                    int at = column * size; // X has zeros above its diagonal
                    subtract(columns, size - column, u, at, x, at + column, target, column);
                }
                for (int k = j + 1; k < i; k++) {
                    subtract(size - from, size, look(k, i, left), 0, look(j, k, right), from, target, from);
                }
                solve(look(i, i, left), 0, size, target, from, size);
                store(j, i, target);
            }
            for (int i = j; i < count; i++) {
                double[] tile = look(j, i, left);
                for (int low = 0, high = tile.length - 1; high >= 0; low++, high--) {
                    target[low] = tile[high];
                }
                store(j, i, target);
            }
        }
    }

    /** C -= Aᵀ B of {@code columns} columns of B, all of A. */
    private void subtract(int columns, int k, double[] a, int aAt, double[] b, int bAt, double[] c, int cAt) {
        DoubleGemm.subtractTransposedLeft(size, columns, k, a, aAt, size, b, bAt, size, c, cAt, size);
    }

    /**
     * Factors rows and columns {@code from} to {@code to} of a diagonal tile in place, in halves: the first half, what it
     * leaves of the second, the second.
     */
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

    /** X of {@code UᵀX = I}, into zeros. */
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

    /** First row and column of the reversed matrix in a tile. */
    private int from(int tile) {
        return tile == 0 ? padding : 0;
    }

    /** Tile (j, i) of the reversed matrix, from the upper half of H: reflected in the other diagonal. */
    private void loadReversed(int j, int i) throws IOException {
        double[] tile = h.look(count - 1 - i, count - 1 - j, right);
        int last = size - 1;
        for (int top = 0; top < size; top += SQUARE) {
            for (int left = 0; left < size; left += SQUARE) {
                for (int row = top; row < Math.min(size, top + SQUARE); row++) {
                    for (int column = left; column < Math.min(size, left + SQUARE); column++) {
                        target[row * size + column] = tile[(last - column) * size + last - row];
                    }
                }
            }
        }
    }

    private double[] look(int j, int i, double[] buffer) throws IOException {
        return r.look(count - 1 - i, count - 1 - j, buffer);
    }

    private void store(int j, int i, double[] tile) throws IOException {
        r.write(count - 1 - i, count - 1 - j, tile);
    }
}
