package io.sparkgguf.gptq;

import io.sparkgguf.linalg.Tiles;
import java.io.IOException;

/** Rows of tiled matrices as float32 panels; keeps one tile. */
public final class TilePanels {
    private TilePanels() {}

    /** An upper triangular factor; elements left of a row's first tile are 0. */
    public static FactorPanels factor(Tiles tiles) {
        return new FactorPanels() {
            @Override
            public int order() {
                return tiles.order();
            }

            @Override
            public void read(int firstRow, int rows, float[] into) throws IOException {
                TilePanels.read(tiles, firstRow, rows, false, into);
            }
        };
    }

    /** A symmetric Hessian from its upper tiles. */
    public static HessianRows hessian(Tiles tiles) {
        return new HessianRows() {
            @Override
            public int order() {
                return tiles.order();
            }

            @Override
            public void read(int firstRow, int rows, float[] into) throws IOException {
                TilePanels.read(tiles, firstRow, rows, true, into);
            }
        };
    }

    /** The diagonal. */
    static double[] diagonal(Tiles tiles) throws IOException {
        int n = tiles.order();
        int size = tiles.tileSize();
        double[] tile = new double[size * size];
        double[] diagonal = new double[n];
        for (int i = 0; i * size < n; i++) {
            tiles.read(i, i, tile);
            for (int r = 0; r < size && i * size + r < n; r++) {
                diagonal[i * size + r] = tile[r * size + r];
            }
        }
        return diagonal;
    }

    private static void read(Tiles tiles, int firstRow, int rows, boolean symmetric, float[] into) throws IOException {
        int n = tiles.order();
        int size = tiles.tileSize();
        double[] tile = new double[size * size];
        for (int i = firstRow / size; i <= (firstRow + rows - 1) / size; i++) {
            int from = Math.max(firstRow, i * size);
            int to = Math.min(firstRow + rows, (i + 1) * size);
            for (int j = symmetric ? 0 : i; j * size < n; j++) {
                boolean below = j < i;
                tiles.read(below ? j : i, below ? i : j, tile);
                int columns = Math.min(size, n - j * size);
                for (int row = from; row < to; row++) {
                    int r = row - i * size;
                    int at = (row - firstRow) * n + j * size;
                    for (int c = 0; c < columns; c++) {
                        boolean mirrored = below || symmetric && i == j && c < r;
                        into[at + c] = (float) tile[mirrored ? c * size + r : r * size + c];
                    }
                }
            }
        }
    }
}
