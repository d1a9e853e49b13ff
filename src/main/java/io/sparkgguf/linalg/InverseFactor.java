package io.sparkgguf.linalg;

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
 * pivot: its bits do not depend on the size of tiles. {@link FactorRounds} makes the same in tasks.
 */
public final class InverseFactor {
    private final Tiles h;
    private final Tiles r;
    private final int count;
    private final TileSolve solve;

    private final double[] target;
    private final double[] left;
    private final double[] right;

    private InverseFactor(Tiles h, Tiles r) {
        this.h = h;
        this.r = r;
        int size = h.tileSize();
        solve = new TileSolve(h.order(), size);
        count = solve.count();
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
        requireAlike(h, r);
        InverseFactor factor = new InverseFactor(h, r);
        factor.factor();
        factor.invert();
    }

    static void requireAlike(Tiles h, Tiles r) {
        if (h.order() != r.order() || h.tileSize() != r.tileSize()) {
            throw new IllegalArgumentException("Cannot factor into other tiles: order " + h.order() + " and "
                    + r.order() + ", tile size " + h.tileSize() + " and " + r.tileSize());
        }
    }

    /** {@code G = UᵀU}, U row of tiles by row of tiles. */
    private void factor() throws IOException, NotPositiveDefiniteException {
        double[] diagonal = new double[target.length];
        for (int j = 0; j < count; j++) {
            for (int i = j; i < count; i++) {
                solve.loadReversed(h, j, i, right, target);
                for (int k = 0; k < j; k++) {
                    double[] a = solve.look(r, k, j, left);
                    solve.subtractRow(k, a, i == j ? a : solve.look(r, k, i, right), i == j, target);
                }
                if (i == j) {
                    solve.factor(j, target);
                    System.arraycopy(target, 0, diagonal, 0, target.length);
                } else {
                    solve.solveRow(j, diagonal, target);
                }
                solve.store(r, j, i, target);
            }
        }
    }

    /** {@code UᵀX = I}, X column of tiles by column of tiles; at last each tile is brought into R's order. */
    private void invert() throws IOException {
        for (int j = 0; j < count; j++) {
            Arrays.fill(target, 0);
            solve.invertDiagonal(j, solve.look(r, j, j, left), target);
            solve.store(r, j, j, target);
            for (int i = j + 1; i < count; i++) {
                Arrays.fill(target, 0);
                solve.subtractDiagonal(j, solve.look(r, j, i, left), solve.look(r, j, j, right), target);
                for (int k = j + 1; k < i; k++) {
                    solve.subtractBelow(j, solve.look(r, k, i, left), solve.look(r, j, k, right), target);
                }
                solve.solveBelow(j, solve.look(r, i, i, left), target);
                solve.store(r, j, i, target);
            }
            for (int i = j; i < count; i++) {
                TileSolve.reverse(solve.look(r, j, i, left), target);
                solve.store(r, j, i, target);
            }
        }
    }
}
