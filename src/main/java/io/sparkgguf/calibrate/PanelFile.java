package io.sparkgguf.calibrate;

import io.sparkgguf.gptq.FactorPanels;
import io.sparkgguf.gptq.HessianRows;
import io.sparkgguf.gptq.TargetCorrection;
import io.sparkgguf.linalg.Tiles;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.util.Arrays;

/**
 * Rows of a matrix as solvers walk through them: float32, a section for each panel of {@value #PANEL_ROWS} rows. Made once
 * from tiles, read by every task. The rows of a large matrix are spread over several files, so that many tasks can write.
 *
 * @param file name of the only file; of several, what their names begin with
 * @param upper whether it is upper triangular: then a panel holds the columns from its first row on
 * @param partRows rows of a file; a multiple of {@value #PANEL_ROWS} and of the tiles' rows unless it holds all
 */
public record PanelFile(Storage storage, String file, int order, boolean upper, int partRows) {
    static final int PANEL_ROWS = 128;

    public PanelFile {
        if (partRows < 1 || partRows < order && partRows % PANEL_ROWS != 0) {
            throw new IllegalArgumentException("Cannot cut " + file + " into files of " + partRows + " rows");
        }
    }

    /** All rows in one file. */
    public PanelFile(Storage storage, String file, int order, boolean upper) {
        this(storage, file, order, upper, order);
    }

    /** The least rows of a file for tiles of this size. */
    public static int partRows(int tileSize) {
        return BigInteger.valueOf(tileSize)
                .divide(BigInteger.valueOf(tileSize).gcd(BigInteger.valueOf(PANEL_ROWS)))
                .multiply(BigInteger.valueOf(PANEL_ROWS))
                .intValueExact();
    }

    /** Number of files. */
    public int parts() {
        return (order + partRows - 1) / partRows;
    }

    private String part(int index) {
        return parts() == 1 ? file : file + "-%04d".formatted(index);
    }

    /** Writes all files: {@code tiles} as a symmetric matrix, or, if {@code upper}, as a triangular one. */
    public void write(Tiles tiles) throws IOException {
        for (int part = 0; part < parts(); part++) {
            write(tiles, part);
        }
    }

    /** Writes one of the files. */
    public void write(Tiles tiles, int part) throws IOException {
        WholeFile.write(storage, part(part), out -> write(tiles, part, false, out));
    }

    /** Writes the files of a matrix that is neither: each tile is read as it stands. */
    public void writeAll(HessianTiles tiles) throws IOException {
        for (int part = 0; part < parts(); part++) {
            writeAll(tiles, part);
        }
    }

    /** Writes one of them. */
    public void writeAll(HessianTiles tiles, int part) throws IOException {
        if (upper || tiles.grid().kept() != TileGrid.Kept.ALL) {
            throw new IllegalArgumentException("Cannot write " + file + ": tiles of the matrix are not kept");
        }
        WholeFile.write(storage, part(part), out -> write(tiles, part, true, out));
    }

    private void write(Tiles tiles, int part, boolean all, OutputStream out) throws IOException {
        int size = tiles.tileSize();
        int side = (order + size - 1) / size;
        int first = part * partRows;
        int end = (int) Math.min(order, (long) first + partRows);
        if (first % size != 0 || end % size != 0 && end != order) {
            throw new IllegalArgumentException(
                    "Cannot write rows " + first + " to " + end + " of " + file + " from tiles of " + size);
        }
        double[] tile = new double[size * size];
        float[] band = new float[Math.multiplyExact(Math.min(size, order), order)];
        SectionWriter sections = new SectionWriter(out);
        float[] panel = new float[Math.multiplyExact(PANEL_ROWS, order)];
        int filled = 0; // rows of the panel that the tile rows so far have given
        for (int i = first / size; i * size < end; i++) {
            int rows = Math.min(size, order - i * size);
            for (int j = upper ? i : 0; j < side; j++) {
                boolean asStored = all || j >= i;
                tiles.read(asStored ? i : j, asStored ? j : i, tile);
                int columns = Math.min(size, order - j * size);
                for (int r = 0; r < rows; r++) {
                    for (int c = 0; c < columns; c++) {
                        double value = asStored ? tile[r * size + c] : tile[c * size + r];
                        band[r * order + j * size + c] = (float) (upper && j == i && c < r ? 0 : value);
                    }
                }
            }
            for (int r = 0; r < rows; r++) {
                System.arraycopy(band, r * order, panel, filled * order, order);
                filled++;
                int row = i * size + r;
                if (filled == PANEL_ROWS || row == order - 1) {
                    int skip = upper ? row + 1 - filled : 0;
                    sections.write(panel, skip, filled, order - skip, order);
                    filled = 0;
                }
            }
            if (upper) {
                Arrays.fill(band, 0);
            }
        }
    }

    /** Where a panel begins in its file. */
    private long offset(int panel) {
        int firstRow = panel * PANEL_ROWS / partRows * partRows;
        return before(panel) - before(firstRow / PANEL_ROWS);
    }

    /** Bytes of all panels before one. */
    private long before(int panel) {
        long values = (long) panel * PANEL_ROWS * order;
        if (upper) {
            values -= (long) panel * (panel - 1) / 2 * PANEL_ROWS * PANEL_ROWS;
        }
        return values * Float.BYTES + (long) panel * SectionWriter.DIGEST_BYTES;
    }

    /** Bytes of all files. */
    public static long length(int order, boolean upper) {
        long bytes = 0;
        for (int row = 0; row < order; row += PANEL_ROWS) {
            long columns = upper ? order - row : order;
            bytes += SectionWriter.length(Math.min(PANEL_ROWS, order - row) * columns, Float.BYTES);
        }
        return bytes;
    }

    /** Opens it, that is, its first file. */
    public Reader open() throws IOException {
        return new Reader();
    }

    /** Bytes that an open reader holds. */
    public static long memory(int order) {
        return (long) PANEL_ROWS * order * Float.BYTES + SectionWriter.BUFFER_BYTES;
    }

    /** Reads rows; for one thread. */
    public final class Reader implements FactorPanels, HessianRows, TargetCorrection.Rows, Closeable {
        private SectionReader sections;
        private int opened = -1;
        private float[] panel = new float[0];
        private int held = -1;

        private Reader() throws IOException {
            open(0);
        }

        private void open(int part) throws IOException {
            if (opened != part) {
                close();
                sections = new SectionReader(storage, part(part));
                opened = part;
            }
        }

        @Override
        public int order() {
            return order;
        }

        @Override
        public void read(int firstRow, int rows, float[] into) throws IOException {
            for (int done = 0; done < rows; ) {
                int row = firstRow + done;
                int index = row / PANEL_ROWS;
                int first = index * PANEL_ROWS;
                int have = Math.min(PANEL_ROWS, order - first);
                int skip = upper ? first : 0;
                int columns = order - skip;
                if (held != index) {
                    if (panel.length == 0) {
                        panel = new float[PANEL_ROWS * order];
                    }
                    held = -1;
                    open(first / partRows);
                    sections.read(offset(index), panel, 0, have * columns);
                    held = index;
                }
                int count = Math.min(rows - done, first + have - row);
                for (int r = 0; r < count; r++) {
                    System.arraycopy(panel, (row - first + r) * columns, into, (done + r) * order + skip, columns);
                }
                done += count;
            }
        }

        @Override
        public void close() throws IOException {
            if (sections != null) {
                sections.close();
                sections = null;
            }
        }
    }
}
