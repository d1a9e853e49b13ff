package io.sparkgguf.kernel;

/**
 * The order of work of a large product, after Goto and van de Geijn (Anatomy of high-performance matrix multiplication, 2008):
 * a block of B and a block of A are copied into panels as the innermost loop reads them, then tiles of C run through them.
 * Panels at the edge are as wide as all, so that every tile is a whole one; what is computed there of leftovers is dropped.
 *
 * <p>Along k the blocks follow each other in ascending order, each going on from what C holds.
 */
abstract class BlockedProduct {
    private final int tileRows;
    private final int tileColumns;
    private final int blockRows;
    private final int blockColumns;

    /**
     * @param tileRows rows of C of a tile
     * @param blockRows rows of a block of A, a multiple of a tile's: the block should fit into a core's own cache
     * @param blockColumns columns of a block of B, a multiple of a tile's
     */
    BlockedProduct(int tileRows, int tileColumns, int blockRows, int blockColumns) {
        this.tileRows = tileRows;
        this.tileColumns = tileColumns;
        this.blockRows = blockRows;
        this.blockColumns = blockColumns;
    }

    /** Copies rows of A, in columns p to p + k, into panels of a tile's rows. */
    abstract void packLeft(int row, int rows, int p, int k);

    /** Copies columns of B, in rows p to p + k, into panels of a tile's columns. */
    abstract void packRight(int column, int columns, int p, int k);

    /**
     * Computes a tile of C.
     *
     * @param add whether it goes on from what C holds
     */
    abstract void tile(int leftPanel, int rightPanel, int k, boolean add, int row, int rows, int column, int columns);

    /**
     * C of m × n.
     *
     * @param depth the largest k of a block
     * @param add whether C's first block along k goes on from what it holds
     * @param upper leaves out the tiles below the diagonal
     */
    final void run(int m, int n, int k, int depth, boolean add, boolean upper) {
        for (int column = 0; column < n; column += blockColumns) {
            int columns = Math.min(blockColumns, n - column);
            int lastRow = upper ? Math.min(m, column + columns) : m;
            int p = 0;
            do { // once if k is 0, for C is set to 0 then
                int deep = Math.min(depth, k - p);
                packRight(column, columns, p, deep);
                for (int row = 0; row < lastRow; row += blockRows) {
                    int rows = Math.min(blockRows, lastRow - row);
                    packLeft(row, rows, p, deep);
                    block(row, rows, column, columns, deep, add || p > 0, upper);
                }
                p += deep;
            } while (p < k);
        }
    }

    private void block(int row, int rows, int column, int columns, int k, boolean add, boolean upper) {
        for (int j = 0; j < columns; j += tileColumns) {
            int width = Math.min(tileColumns, columns - j);
            int end = upper ? Math.min(rows, column + j + width - row) : rows;
            for (int i = 0; i < end; i += tileRows) {
                int height = Math.min(tileRows, rows - i);
                tile(i / tileRows, j / tileColumns, k, add, row + i, height, column + j, width);
            }
        }
    }
}
