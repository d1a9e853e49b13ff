package io.sparkgguf.calibrate;

import java.io.Serializable;

/**
 * How a symmetric matrix is cut into square tiles; those on and above the diagonal are kept.
 *
 * @param order rows and columns of the matrix
 * @param tileSize rows and columns of a tile
 */
public record TileGrid(int order, int tileSize) implements Serializable {
    /** Tile sizes are multiples of this, so that kernels work on whole vectors. */
    private static final int STEP = 64;

    public TileGrid {
        if (order < 1 || tileSize < 1 || (long) tileSize * tileSize > Integer.MAX_VALUE / 8) {
            throw new IllegalArgumentException("Cannot cut a matrix of order " + order + " into tiles of " + tileSize);
        }
    }

    /** Tiles of at most {@code largest} rows for a matrix that may be smaller than that. */
    public static TileGrid of(int order, int largest) {
        return new TileGrid(order, Math.min(largest, (order + STEP - 1) / STEP * STEP));
    }

    /** Tiles along one side. */
    public int side() {
        return (order + tileSize - 1) / tileSize;
    }

    /** Tiles that are kept. */
    public int count() {
        return side() * (side() + 1) / 2;
    }

    /** The place of tile (i, j), i at most j, in row-major order of the kept ones. */
    public int index(int i, int j) {
        return i * side() - i * (i - 1) / 2 + j - i;
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
}
