package io.sparkgguf.gptq;

import io.sparkgguf.linalg.Tiles;
import java.io.IOException;
import java.util.Arrays;

/** Reorders a symmetric matrix of upper tiles, in as many passes as the memory asks for. */
final class TileOrder {
    private TileOrder() {}

    /**
     * Writes the upper tiles of P (H + ridge) Pᵀ.
     *
     * @param from H, upper tiles
     * @param order the row and column of H that becomes the i-th
     * @param ridge added to H's diagonal, in H's order
     * @param to tiles of the same size
     * @param memory bytes for the rows that one pass writes; a row of tiles is always held
     */
    static void copy(Tiles from, int[] order, double[] ridge, Tiles to, long memory) throws IOException {
        int n = from.order();
        int size = from.tileSize();
        int tiles = (n + size - 1) / size;
        int[] place = new int[n];
        for (int i = 0; i < n; i++) {
            place[order[i]] = i;
        }
        long bandBytes = (long) size * size * tiles * Double.BYTES;
        int bands = (int) Math.max(1, Math.min(tiles, memory / bandBytes));
        double[] tile = new double[size * size];
        for (int first = 0; first < tiles; first += bands) {
            int last = Math.min(tiles, first + bands);
            double[][] out = new double[(last - first) * tiles][];
            for (int i = first; i < last; i++) {
                for (int j = i; j < tiles; j++) {
                    out[(i - first) * tiles + j] = new double[size * size];
                }
            }
            for (int i = 0; i < tiles; i++) {
                for (int j = i; j < tiles; j++) {
                    from.read(i, j, tile);
                    scatter(tile, i, j, n, size, place, ridge, first, last, tiles, out);
                }
            }
            for (int i = first; i < last; i++) {
                for (int j = i; j < tiles; j++) {
                    to.write(i, j, out[(i - first) * tiles + j]);
                }
            }
            Arrays.fill(out, null);
        }
    }

    private static void scatter(
            double[] tile,
            int i,
            int j,
            int n,
            int size,
            int[] place,
            double[] ridge,
            int first,
            int last,
            int tiles,
            double[][] out) {
        int rows = Math.min(size, n - i * size);
        int columns = Math.min(size, n - j * size);
        for (int r = 0; r < rows; r++) {
            int row = i * size + r;
            for (int c = i == j ? r : 0; c < columns; c++) {
                int column = j * size + c;
                double value = tile[r * size + c];
                if (row == column) {
                    value += ridge[row];
                }
                put(place[row], place[column], value, size, first, last, tiles, out);
                if (row != column) {
                    put(place[column], place[row], value, size, first, last, tiles, out);
                }
            }
        }
    }

    private static void put(
            int row, int column, double value, int size, int first, int last, int tiles, double[][] out) {
        int i = row / size;
        int j = column / size;
        if (i >= first && i < last && j >= i) {
            out[(i - first) * tiles + j][row % size * size + column % size] = value;
        }
    }
}
