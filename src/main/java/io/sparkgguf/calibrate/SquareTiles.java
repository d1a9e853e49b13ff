package io.sparkgguf.calibrate;

import io.sparkgguf.kernel.Gram;

/** The squares of inputs summed as the inputs come: small tiles on the diagonal, for the bits of a whole Hessian's. */
final class SquareTiles {
    private final TileGrid grid;
    private final double[][] tiles;

    SquareTiles(TileGrid grid) {
        this.grid = grid;
        tiles = new double[grid.side()][grid.values()];
    }

    /** Adds {@code tokens} rows of x. */
    void add(float[] x, int tokens) {
        int size = grid.tileSize();
        for (int i = 0; i < tiles.length; i++) {
            Gram.addUpper(x, 0, tokens, grid.order(), i * size, grid.rows(i), tiles[i], size);
        }
    }

    /** The sums, column by column. */
    double[] diagonal() {
        double[] diagonal = new double[grid.order()];
        for (int column = 0; column < diagonal.length; column++) {
            diagonal[column] = tiles[column / grid.tileSize()][column % grid.tileSize() * (grid.tileSize() + 1)];
        }
        return diagonal;
    }
}
