package io.sparkgguf.kernel;

/** Gram matrices of activations: tiles of the sum of x xᵀ over tokens, which is a Hessian. */
public final class Gram {
    /**
     * Tokens whose products are summed in float32 before the sum is added in float64. Chunks are counted from the first token
     * of a call: callers who need the same bits cut their tokens at multiples of it.
     */
    public static final int CHUNK = FloatTile.DEPTH;

    private static final int SQUARE = 16;

    private Gram() {}

    /**
     * Adds {@code X[:, rowAt..]ᵀ X[:, columnAt..]} to a tile. In each element the products of a chunk are a chain of fused
     * multiply-adds over the tokens, from 0.
     *
     * @param x tokens × columns, row-major
     * @param stride distance of two tokens
     * @param rowAt first column of X that is a row of the tile
     * @param columnAt first column of X that is a column of the tile
     * @param tile rows × columns from 0 on; if the rows are the columns it must be symmetric, and one half is computed
     * @param ld distance of two rows of the tile
     */
    public static void add(
            float[] x,
            int xAt,
            int tokens,
            int stride,
            int rowAt,
            int rows,
            int columnAt,
            int columns,
            double[] tile,
            int ld) {
        if (tokens == 0) {
            return;
        }
        boolean diagonal = rowAt == columnAt && rows == columns;
        FloatPanels.gram(x, xAt + rowAt, rows, xAt + columnAt, columns, tokens, stride, diagonal, tile, ld);
        if (diagonal) {
            mirror(tile, rows, ld);
        }
    }

    /** Copies what is above the diagonal below, in squares that stay in the cache. */
    private static void mirror(double[] tile, int order, int ld) {
        for (int i = 0; i < order; i += SQUARE) {
            for (int j = i; j < order; j += SQUARE) {
                for (int row = i; row < Math.min(order, i + SQUARE); row++) {
                    for (int column = Math.max(row + 1, j); column < Math.min(order, j + SQUARE); column++) {
                        tile[column * ld + row] = tile[row * ld + column];
                    }
                }
            }
        }
    }
}
