package io.sparkgguf.linalg;

import io.sparkgguf.kernel.DoubleGemm;
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
                for (int k = j; k < i; k++) {
                    int at = from(k) * size;
                    subtract(
                            size - from,
                            size - from(k),
                            look(k, i, left),
                            at,
                            look(j, k, right),
                            at + from,
                            target,
                            from);
                }
                solve(look(i, i, left), 0, size, target, from, size);
                store(j, i, target);
            }
            for (int i = j; i < count; i++) {
                r.read(count - 1 - i, count - 1 - j, target);
                reverse(target);
                store(j, i, target);
            }
        }
    }

    /** C -= Aᵀ B of {@code columns} columns of B, all of A. */
    private void subtract(int columns, int k, double[] a, int aAt, double[] b, int bAt, double[] c, int cAt) {
        DoubleGemm.subtractTransposedLeft(size, columns, k, a, aAt, size, b, bAt, size, c, cAt, size);
    }

    /** Factors the block of rows and columns {@code from} to {@code to} of a diagonal tile in place. */
    private void factor(int tile, double[] u, int from, int to) throws NotPositiveDefiniteException {
        for (int row = from; row < to; row++) {
            for (int k = from; k < row; k++) {
                subtractRow(u[k * size + row], u, k * size, u, row * size, row, to);
            }
            double pivot = u[row * size + row];
            if (!(pivot > 0 && pivot < Double.POSITIVE_INFINITY)) {
                throw new NotPositiveDefiniteException((long) (count - tile) * size - 1 - row, pivot);
            }
            double root = Math.sqrt(pivot);
            u[row * size + row] = root;
            scale(1 / root, u, row * size, row + 1, to);
        }
    }

    /** X of {@code UᵀX = C}, in place of C: rows {@code from} to {@code to}, columns {@code left} to {@code right}. */
    private void solve(double[] u, int from, int to, double[] c, int left, int right) {
        for (int row = from; row < to; row++) {
            for (int k = from; k < row; k++) {
                subtractRow(u[k * size + row], c, k * size, c, row * size, left, right);
            }
            scale(1 / u[row * size + row], c, row * size, left, right);
        }
    }

    /** X of {@code UᵀX = I}, into zeros. */
    private void invertDiagonal(double[] u, double[] x, int from, int to) {
        for (int row = from; row < to; row++) {
            for (int k = from; k < row; k++) {
                subtractRow(u[k * size + row], x, k * size, x, row * size, from, k + 1);
            }
            double reciprocal = 1 / u[row * size + row];
            scale(reciprocal, x, row * size, from, row);
            x[row * size + row] = reciprocal;
        }
    }

    private static void subtractRow(double factor, double[] x, int xAt, double[] c, int cAt, int left, int right) {
        for (int j = left; j < right; j++) {
            c[cAt + j] = Math.fma(-factor, x[xAt + j], c[cAt + j]);
        }
    }

    private static void scale(double factor, double[] c, int cAt, int left, int right) {
        for (int j = left; j < right; j++) {
            c[cAt + j] *= factor;
        }
    }

    /** First row and column of the reversed matrix in a tile. */
    private int from(int tile) {
        return tile == 0 ? padding : 0;
    }

    /** Tile (j, i) of the reversed matrix, from the upper half of H: reflected in the other diagonal. */
    private void loadReversed(int j, int i) throws IOException {
        double[] tile = h.look(count - 1 - i, count - 1 - j, right);
        for (int row = 0; row < size; row++) {
            for (int column = 0; column < size; column++) {
                target[row * size + column] = tile[(size - 1 - column) * size + size - 1 - row];
            }
        }
    }

    private double[] look(int j, int i, double[] buffer) throws IOException {
        return r.look(count - 1 - i, count - 1 - j, buffer);
    }

    private void store(int j, int i, double[] tile) throws IOException {
        r.write(count - 1 - i, count - 1 - j, tile);
    }

    private static void reverse(double[] tile) {
        for (int low = 0, high = tile.length - 1; low < high; low++, high--) {
            double swapped = tile[low];
            tile[low] = tile[high];
            tile[high] = swapped;
        }
    }
}
