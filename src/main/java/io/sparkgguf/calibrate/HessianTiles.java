package io.sparkgguf.calibrate;

import io.sparkgguf.linalg.Tiles;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;

/** A symmetric, upper triangular, or, with a grid of all tiles, any square matrix in a folder, a file for each tile, so that many tasks can write at once. */
public record HessianTiles(Storage storage, String folder, TileGrid grid) implements Tiles {

    @Override
    public int order() {
        return grid.order();
    }

    @Override
    public int tileSize() {
        return grid.tileSize();
    }

    private String file(int i, int j) {
        return storage.resolve(folder, "tile-%04d-%04d".formatted(i, j));
    }

    @Override
    public void read(int i, int j, double[] into) throws IOException {
        try (SectionReader reader = new SectionReader(storage, file(i, j))) {
            reader.read(0, into, 0, grid.values());
        }
    }

    @Override
    public void write(int i, int j, double[] from) throws IOException {
        WholeFile.write(storage, file(i, j), out -> new SectionWriter(out).write(from, 0, grid.values()));
    }

    /** The elements on the diagonal. */
    public double[] diagonal() throws IOException {
        double[] diagonal = new double[grid.order()];
        double[] tile = new double[grid.values()];
        for (int i = 0; i < grid.side(); i++) {
            read(i, i, tile);
            for (int k = 0; k < grid.rows(i); k++) {
                diagonal[i * grid.tileSize() + k] = tile[k * grid.tileSize() + k];
            }
        }
        return diagonal;
    }
}
