package io.sparkgguf.calibrate;

import io.sparkgguf.kernel.Gram;
import java.io.IOException;

/** All tiles in memory, summed as the inputs come. */
final class TilesInMemory implements TileSums {
    private final TileGrid grid;
    private final double[][] tiles;

    TilesInMemory(TileGrid grid) {
        this.grid = grid;
        tiles = new double[grid.count()][grid.values()];
    }

    @Override
    public void add(float[] x, int tokens) {
        int size = grid.tileSize();
        int second = grid.kept() == TileGrid.Kept.ALL ? grid.order() : 0;
        for (int i = 0; i < grid.side(); i++) {
            for (int j = grid.begin(i); j < grid.end(i); j++) {
                Gram.add(
                        x,
                        0,
                        tokens,
                        grid.order() + second,
                        i * size,
                        grid.rows(i),
                        second + j * size,
                        grid.rows(j),
                        tiles[grid.index(i, j)],
                        size);
            }
        }
    }

    @Override
    public void write(SectionWriter out) throws IOException {
        for (double[] tile : tiles) {
            out.write(tile, 0, tile.length);
        }
    }

    @Override
    public void close() {
        // nothing is open
    }
}
