package io.sparkgguf.calibrate;

import io.sparkgguf.linalg.Tiles;
import java.io.IOException;

/**
 * A symmetric matrix with something added to its diagonal; only read.
 *
 * @param tiles the matrix without it
 * @param ridge what is added, row by row
 */
public record RidgedTiles(Tiles tiles, double[] ridge) implements Tiles {
    @Override
    public int order() {
        return tiles.order();
    }

    @Override
    public int tileSize() {
        return tiles.tileSize();
    }

    @Override
    public void read(int i, int j, double[] into) throws IOException {
        tiles.read(i, j, into);
        if (i == j) {
            int size = tileSize();
            for (int row = i * size; row < Math.min(order(), (i + 1) * size); row++) {
                into[row % size * (size + 1)] += ridge[row];
            }
        }
    }

    @Override
    public void write(int i, int j, double[] from) {
        throw new UnsupportedOperationException("Cannot write tile " + i + ", " + j + ": the matrix is only read");
    }
}
