package io.sparkgguf.calibrate;

import io.sparkgguf.kernel.Gram;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Keeps the inputs in a temporary file of this machine, a panel of columns after the other, and makes one tile at a time
 * from it: for Hessians that do not fit the memory. Of pairs, the panels of d come first, then those of x.
 */
final class TilesFromSpool implements TileSums {
    private final TileGrid grid;
    private final long capacity;
    private final int halves;
    private final FileChannel file;
    private final List<Integer> batches = new ArrayList<>();
    private final ByteBuffer bytes =
            ByteBuffer.allocate(SectionWriter.BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private int written;

    /** @param capacity tokens that will come at the most */
    TilesFromSpool(TileGrid grid, long capacity) throws IOException {
        this.grid = grid;
        this.capacity = capacity;
        halves = grid.kept() == TileGrid.Kept.ALL ? 2 : 1;
        Path path = Files.createTempFile("spark-gguf-inputs-", ".f32");
        try {
            file = FileChannel.open(
                    path, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE);
        } catch (IOException e) {
            Files.deleteIfExists(path);
            throw new IOException("Cannot keep inputs in " + path + ": " + e.getMessage(), e);
        }
    }

    /** Bytes held while tiles are made. */
    static long memory(TileGrid grid, int batchTokens) {
        return (long) grid.values() * Double.BYTES
                + 2L * grid.tileSize() * batchTokens * Float.BYTES
                + SectionWriter.BUFFER_BYTES;
    }

    @Override
    public void add(float[] x, int tokens) throws IOException {
        int size = grid.tileSize();
        for (int panel = 0; panel < halves * grid.side(); panel++) {
            int half = panel / grid.side();
            int index = panel % grid.side();
            int columns = grid.rows(index);
            long position = position(panel, written);
            bytes.clear();
            for (int token = 0; token < tokens; token++) {
                int at = (token * halves + half) * grid.order() + index * size;
                for (int done = 0; done < columns; ) {
                    if (bytes.remaining() < Float.BYTES) {
                        position += flush(position);
                    }
                    int part = Math.min(columns - done, bytes.remaining() / Float.BYTES);
                    bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(x, at + done, part);
                    bytes.position(bytes.position() + part * Float.BYTES);
                    done += part;
                }
            }
            flush(position);
        }
        batches.add(tokens);
        written += tokens;
    }

    private long position(int panel, long token) {
        int index = panel % grid.side();
        long before = (long) panel / grid.side() * grid.order() + (long) index * grid.tileSize();
        return (before * capacity + token * grid.rows(index)) * Float.BYTES;
    }

    private int flush(long position) throws IOException {
        bytes.flip();
        int count = bytes.remaining();
        long at = position;
        while (bytes.hasRemaining()) {
            at += file.write(bytes, at);
        }
        bytes.clear();
        return count;
    }

    @Override
    public void write(SectionWriter out) throws IOException {
        int size = grid.tileSize();
        int most = batches.stream().mapToInt(Integer::intValue).max().orElse(0);
        double[] tile = new double[grid.values()];
        float[] panels = new float[Math.multiplyExact(2 * size, most)];
        for (int i = 0; i < grid.side(); i++) {
            for (int j = grid.begin(i); j < grid.end(i); j++) {
                Arrays.fill(tile, 0);
                boolean apart = halves == 2 || j > i; // else the rows are the columns
                int second = (halves - 1) * grid.side() + j;
                int token = 0;
                for (int tokens : batches) {
                    read(i, token, tokens, panels, 0);
                    if (apart) {
                        read(second, token, tokens, panels, size);
                    }
                    Gram.add(panels, 0, tokens, 2 * size, 0, grid.rows(i), apart ? size : 0, grid.rows(j), tile, size);
                    token += tokens;
                }
                out.write(tile, 0, tile.length);
            }
        }
    }

    /** Reads the rows of a panel to {@code at}, two panels apart. */
    private void read(int panel, int token, int tokens, float[] into, int at) throws IOException {
        int columns = grid.rows(panel % grid.side());
        long position = position(panel, token);
        int rowsAtOnce = Math.max(1, bytes.capacity() / Float.BYTES / columns);
        for (int done = 0; done < tokens; done += rowsAtOnce) {
            int rows = Math.min(rowsAtOnce, tokens - done);
            bytes.clear().limit(rows * columns * Float.BYTES);
            while (bytes.hasRemaining()) {
                int count = file.read(bytes, position + bytes.position());
                if (count < 0) {
                    throw new IOException("Cannot read back the inputs of a block: the temporary file was cut");
                }
            }
            bytes.flip();
            position += bytes.limit();
            for (int row = 0; row < rows; row++) {
                bytes.position(row * columns * Float.BYTES);
                bytes.slice()
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .asFloatBuffer()
                        .get(into, at + (done + row) * 2 * grid.tileSize(), columns);
            }
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
