package io.sparkgguf.linalg;

import java.io.IOException;

/**
 * A symmetric or upper triangular matrix as square tiles: those on and above the diagonal, row-major. Tiles at the right and
 * lower edge are filled with zeros. On the diagonal of a triangular matrix the elements below are zeros, too.
 */
public interface Tiles {
    /** Rows and columns of the matrix. */
    int order();

    /** Rows and columns of a tile. */
    int tileSize();

    /** Tiles in a row of tiles. */
    default int count() {
        return (order() + tileSize() - 1) / tileSize();
    }

    /**
     * Copies a tile.
     *
     * @param i row of tiles
     * @param j column of tiles, at least i
     * @param into receives tileSize² elements from 0
     */
    void read(int i, int j, double[] into) throws IOException;

    /** Replaces a tile by a copy of {@code from}. */
    void write(int i, int j, double[] from) throws IOException;

    /**
     * A tile that is only looked at, until this tile is written or the buffer used again.
     *
     * @return the tile itself where it is in memory, else the buffer, into which it was read
     */
    default double[] look(int i, int j, double[] buffer) throws IOException {
        read(i, j, buffer);
        return buffer;
    }
}
