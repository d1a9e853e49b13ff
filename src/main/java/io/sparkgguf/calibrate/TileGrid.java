package io.sparkgguf.calibrate;

import java.io.Serializable;

/**
 * How a symmetric matrix is cut into square tiles; those on and above the diagonal are kept.
 *
 * @param order rows and columns of the matrix
 * @param tileSize rows and columns of a tile
 * @param diagonalOnly whether only the tiles on the diagonal are kept: enough for importance
 */
public record TileGrid(int order, int tileSize, boolean diagonalOnly) implements Serializable {
    /** Tile sizes are multiples of this, so that kernels work on whole vectors. */
    private static final int STEP = 64;

    public TileGrid {
        if (order < 1 || tileSize < 1 || (long) tileSize * tileSize > Integer.MAX_VALUE / 8) {
            throw new IllegalArgumentException("Cannot cut a matrix of order " + order + " into tiles of " + tileSize);
        }
    }

    /** Tiles of at most {@code largest} rows for a matrix that may be smaller than that. */
    public static TileGrid of(int order, int largest) {
        return new TileGrid(order, Math.min(largest, (order + STEP - 1) / STEP * STEP), false);
    }

    /** The least that holds the diagonal. */
    public static TileGrid ofDiagonal(int order) {
        return new TileGrid(order, STEP, true);
    }

    /** Tiles along one side. */
    public int side() {
        return (order + tileSize - 1) / tileSize;
    }

    /** Tiles that are kept. */
    public int count() {
        return diagonalOnly ? side() : side() * (side() + 1) / 2;
    }

    /** One past the last tile of tile row {@code i} that is kept; the first is tile (i, i). */
    public int end(int i) {
        return diagonalOnly ? i + 1 : side();
    }

    /** The place of tile (i, j), i at most j, in row-major order of the kept ones. */
    public int index(int i, int j) {
        return diagonalOnly ? i : i * side() - i * (i - 1) / 2 + j - i;
    }

    /** Rows of the matrix in tile row {@code i}. */
    public int rows(int i) {
        return Math.min(tileSize, order - i * tileSize);
    }

    /** Values of a tile, padding included. */
    public int values() {
        return tileSize * tileSize;
    }

    /** Bytes that all kept tiles take in memory. */
    public long memory() {
        return (long) count() * values() * Double.BYTES;
    }

    /** Bytes that all kept tiles take in files. */
    public long stored() {
        return count() * SectionWriter.length(values(), Double.BYTES);
    }
}
