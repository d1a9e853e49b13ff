package io.sparkgguf.kernel;

/** Gram matrices of activations: tiles of the sum of x xᵀ over tokens, which is a Hessian. */
public final class Gram {
    /**
     * Tokens whose products are summed in float32 before the sum is added in float64. Chunks are counted from the first token
     * of a call: callers who need the same bits cut their tokens at multiples of it.
     */
    public static final int CHUNK = 512;

    private static final int SQUARE = 8;
    private static final int STRIP = 64;

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
        boolean diagonal = rowAt == columnAt && rows == columns;
        if (diagonal) {
            addUpper(x, xAt, tokens, stride, rowAt, rows, tile, ld);
            mirror(tile, rows, ld);
        } else if (tokens > 0) {
            FloatPanels.gram(x, xAt + rowAt, rows, xAt + columnAt, columns, tokens, stride, false, tile, ld);
        }
    }

    /**
     * Adds to a tile on the diagonal what {@link #add} does, on and above its diagonal only. What lies below is unspecified
     * afterwards, until {@link #mirror}: worth its while to callers who add often.
     */
    public static void addUpper(float[] x, int xAt, int tokens, int stride, int at, int order, double[] tile, int ld) {
        if (tokens > 0) {
            FloatPanels.gram(x, xAt + at, order, xAt + at, order, tokens, stride, true, tile, ld);
        }
    }

    /** Copies what is above the diagonal of a tile below it. */
    public static void mirror(double[] tile, int order, int ld) {
        int whole = order / SQUARE * SQUARE;
        for (int left = 0; left < order; left += STRIP) {
            for (int i = 0; i < Math.min(whole, left + STRIP); i += SQUARE) {
                mirrorRows(tile, i, Math.max(left, i + SQUARE), Math.min(order, left + STRIP), ld);
            }
        }
        for (int i = 0; i < order; i++) { // the squares on the diagonal, and the rest of the rows
            int end = i < whole ? i / SQUARE * SQUARE + SQUARE : order;
            for (int j = i + 1; j < end; j++) {
                tile[j * ld + i] = tile[i * ld + j];
            }
        }
    }

    /** Eight rows to columns, so that whole cache lines are written. */
    private static void mirrorRows(double[] tile, int i, int from, int to, int ld) {
        int row0 = i * ld;
        int row1 = row0 + ld;
        int row2 = row1 + ld;
        int row3 = row2 + ld;
        int row4 = row3 + ld;
        int row5 = row4 + ld;
        int row6 = row5 + ld;
        int row7 = row6 + ld;
        for (int j = from; j < to; j++) {
            int at = j * ld + i;
            tile[at] = tile[row0 + j];
            tile[at + 1] = tile[row1 + j];
            tile[at + 2] = tile[row2 + j];
            tile[at + 3] = tile[row3 + j];
            tile[at + 4] = tile[row4 + j];
            tile[at + 5] = tile[row5 + j];
            tile[at + 6] = tile[row6 + j];
            tile[at + 7] = tile[row7 + j];
        }
    }
}
