package io.sparkgguf.calibrate;

import java.io.Serializable;

/**
 * How a square matrix is cut into square tiles. Of a symmetric or upper triangular one, those on and above the diagonal are
 * kept.
 *
 * @param order rows and columns of the matrix
 * @param tileSize rows and columns of a tile
 * @param kept which tiles there are
 */
public record TileGrid(int order, int tileSize, Kept kept) implements Serializable {
    /** Tile sizes are multiples of this, so that kernels work on whole vectors. */
    private static final int STEP = 64;

    /** The tiles that a matrix has. */
    public enum Kept {
        /** Those on and above the diagonal: of a symmetric matrix no others are needed. */
        UPPER,
        /** Those on the diagonal: enough for importance. */
        DIAGONAL,
        /** Each. */
        ALL
    }

    public TileGrid {
        if (order < 1 || tileSize < 1 || (long) tileSize * tileSize > Integer.MAX_VALUE / 8) {
            throw new IllegalArgumentException("Cannot cut a matrix of order " + order + " into tiles of " + tileSize);
        }
    }

    /** Tiles of at most {@code largest} rows for a matrix that may be smaller than that. */
    public static TileGrid of(int order, int largest) {
        return new TileGrid(order, Math.min(largest, (order + STEP - 1) / STEP * STEP), Kept.UPPER);
    }

    /** The least that holds the diagonal. */
    public static TileGrid ofDiagonal(int order) {
        return new TileGrid(order, STEP, Kept.DIAGONAL);
    }

    /** The tiles of a matrix of this order that is not symmetric. */
    public TileGrid all() {
        return new TileGrid(order, tileSize, Kept.ALL);
    }

    /** Tiles along one side. */
    public int side() {
        return (order + tileSize - 1) / tileSize;
    }

    /** Tiles that are kept. */
    public int count() {
        return switch (kept) {
            case UPPER -> side() * (side() + 1) / 2;
            case DIAGONAL -> side();
            case ALL -> side() * side();
        };
    }

    /** The first tile of tile row {@code i} that is kept. */
    public int begin(int i) {
        return kept == Kept.ALL ? 0 : i;
    }

    /** One past the last tile of tile row {@code i} that is kept. */
    public int end(int i) {
        return kept == Kept.DIAGONAL ? i + 1 : side();
    }

    /** The place of tile (i, j), one of those that are kept, in their row-major order. */
    public int index(int i, int j) {
        return switch (kept) {
            case UPPER -> i * side() - i * (i - 1) / 2 + j - i;
            case DIAGONAL -> i;
            case ALL -> i * side() + j;
        };
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
