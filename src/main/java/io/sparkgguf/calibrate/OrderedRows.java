package io.sparkgguf.calibrate;

import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;

/**
 * Reorders rows and columns of a large symmetric matrix by way of files, so that many tasks can do it and each tile is read
 * twice only: first each row of tiles is written as rows of the matrix with their columns in the new order, then each new row
 * of tiles is put together from the rows that it takes. Of a row only the columns from its new tile on the diagonal are written.
 */
public final class OrderedRows {
    private final Storage storage;
    private final String folder;
    private final TileGrid grid;
    private final int[] order;
    private final int[] place;

    /**
     * @param folder holds the rows in between, a file for each old row of tiles
     * @param grid of both matrices: of upper tiles
     * @param order the row and column that becomes the i-th
     */
    public OrderedRows(Storage storage, String folder, TileGrid grid, int[] order) {
        this.storage = storage;
        this.folder = folder;
        this.grid = grid;
        this.order = order;
        place = new int[order.length];
        for (int i = 0; i < order.length; i++) {
            place[order[i]] = i;
        }
    }

    /** Bytes that a task holds for either step: the values of a row of tiles, or as many rows of it as {@code memory} allows. */
    public static long memory(TileGrid grid, long memory) {
        long tile = (long) grid.values() * Double.BYTES;
        return Math.max(band(grid, memory) * grid.order() * Double.BYTES + tile, grid.side() * tile)
                + (long) grid.order() * Double.BYTES
                + SectionWriter.BUFFER_BYTES;
    }

    /** Rows that are gathered at once. */
    private static long band(TileGrid grid, long memory) {
        return Math.max(1, Math.min(grid.tileSize(), memory / Double.BYTES / grid.order()));
    }

    /** Bytes of all rows in between. */
    public static long stored(TileGrid grid) {
        long bytes = 0;
        for (int i = 0; i < grid.side(); i++) {
            int columns = grid.order() - i * grid.tileSize();
            bytes += grid.rows(i) * SectionWriter.length(columns, Double.BYTES);
        }
        return bytes;
    }

    private String file(int i) {
        return storage.resolve(folder, "rows-%04d".formatted(i));
    }

    /** The first column that is written of what becomes this row. */
    private int begin(int newRow) {
        return newRow / grid.tileSize() * grid.tileSize();
    }

    /** Writes the rows of row {@code i} of tiles of the matrix as it is. */
    public void write(HessianTiles from, int i, long memory) throws IOException {
        int n = grid.order();
        int size = grid.tileSize();
        int most = (int) band(grid, memory);
        double[] tile = new double[grid.values()];
        double[] rows = new double[Math.multiplyExact(most, n)];
        double[] ordered = new double[n];
        WholeFile.write(storage, file(i), out -> {
            SectionWriter sections = new SectionWriter(out);
            for (int first = 0; first < grid.rows(i); first += most) {
                int count = Math.min(most, grid.rows(i) - first);
                for (int j = 0; j < grid.side(); j++) {
                    from.read(Math.min(i, j), Math.max(i, j), tile);
                    for (int r = 0; r < count; r++) {
                        int row = first + r;
                        for (int c = 0; c < grid.rows(j); c++) {
                            boolean mirrored = j < i || j == i && c < row;
                            rows[r * n + j * size + c] = tile[mirrored ? c * size + row : row * size + c];
                        }
                    }
                }
                for (int r = 0; r < count; r++) {
                    int begin = begin(place[i * size + first + r]);
                    for (int c = begin; c < n; c++) {
                        ordered[c - begin] = rows[r * n + order[c]];
                    }
                    sections.write(ordered, 0, n - begin);
                }
            }
        });
    }

    /** Writes row {@code i} of tiles of the reordered matrix, once all rows are written. */
    public void gather(int i, HessianTiles into) throws IOException {
        int n = grid.order();
        int size = grid.tileSize();
        int begin = i * size;
        int end = begin + grid.rows(i);
        double[][] tiles = new double[grid.side() - i][grid.values()];
        double[] row = new double[n - begin];
        for (int source = 0; source < grid.side(); source++) {
            long offset = 0;
            SectionReader sections = null;
            try {
                for (int r = 0; r < grid.rows(source); r++) {
                    int to = place[source * size + r];
                    if (to >= begin && to < end) {
                        if (sections == null) {
                            sections = new SectionReader(storage, file(source));
                        }
                        sections.read(offset, row, 0, row.length);
                        for (int c = 0; c < row.length; c++) {
                            tiles[c / size][(to - begin) * size + c % size] = row[c];
                        }
                    }
                    offset += SectionWriter.length(n - begin(to), Double.BYTES);
                }
            } finally {
                if (sections != null) {
                    sections.close();
                }
            }
        }
        for (int j = i; j < grid.side(); j++) {
            into.write(i, j, tiles[j - i]);
        }
    }
}
