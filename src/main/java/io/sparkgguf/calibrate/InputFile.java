package io.sparkgguf.calibrate;

import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.Closeable;
import java.io.IOException;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * What the linear layers of a block read of a shard's tokens, in a file: all that {@link TileBlock}s of Hessians are made
 * from. Float32, the tokens that count by columns, in strips as wide as a tile, one section for each strip of each batch, so
 * that who wants some columns reads these alone: batch by batch, in it input by input, of each the strips of x; then, if
 * Hessians are paired, those of y - x, y being the input as the original weights make it.
 *
 * <p>Of an input of which the diagonal is all that is wanted, none of this is kept: the shard's sum of squares, one float64
 * for each column, comes behind all batches.
 *
 * @param batchTokens tokens that go through the block together, as {@link Shard#batches} cuts them
 * @param grids the inputs that are wanted, with the tiles of their Hessians
 * @param paired whether y - x is wanted of each input whose whole Hessian is
 */
public record InputFile(
        Storage storage, String file, Shard shard, int batchTokens, Map<LinearInput, TileGrid> grids, boolean paired) {
    private static final int MAGIC = 0x53474958;
    private static final int HEADER_INTS = 3;

    public InputFile {
        grids = new EnumMap<>(grids); // in the order in which a pass meets them
    }

    private int[] header() {
        return new int[] {MAGIC, shard.id(), paired ? 1 : 0};
    }

    /** Takes batches through the block. */
    public interface Pass {
        /** Shows each batch to {@code writer}, which was told of it first. */
        void run(Writer writer) throws IOException;
    }

    /** Writes the file; nothing of it is left when the pass fails. */
    public void write(Pass pass) throws IOException {
        WholeFile.write(storage, file, out -> {
            Writer writer = new Writer(new SectionWriter(out));
            pass.run(writer);
            writer.end();
        });
    }

    private static boolean isWhole(TileGrid grid) {
        return grid.kept() == TileGrid.Kept.UPPER;
    }

    /** Bytes that a writer holds at the most. */
    public static long writerMemory(Map<LinearInput, TileGrid> grids, int batchTokens, boolean paired) {
        long strip = 0;
        long originals = 0;
        long squares = 0;
        for (TileGrid grid : grids.values()) {
            if (isWhole(grid)) {
                strip = Math.max(strip, grid.tileSize());
                originals += paired ? grid.order() : 0;
            } else {
                strip = Math.max(strip, grid.order());
                squares += grid.memory();
            }
        }
        return batchTokens * (strip + originals) * Float.BYTES + squares + SectionWriter.BUFFER_BYTES;
    }

    /** Bytes of such a file. */
    public static long length(Shard shard, int batchTokens, Map<LinearInput, TileGrid> grids, boolean paired) {
        long bytes = SectionWriter.length(HEADER_INTS, Integer.BYTES);
        for (Shard.Batch batch : shard.batches(batchTokens)) {
            bytes += strips(grids, paired, batch.kept().length);
        }
        for (TileGrid grid : grids.values()) {
            bytes += squares(grid);
        }
        return bytes;
    }

    /** Bytes of all strips of so many tokens. */
    private static long strips(Map<LinearInput, TileGrid> grids, boolean paired, int tokens) {
        return grids.values().stream()
                .mapToLong(grid -> strips(grid, paired, tokens))
                .sum();
    }

    private static long strips(TileGrid grid, boolean paired, int tokens) {
        return isWhole(grid) ? (paired ? 2 : 1) * before(grid, grid.side(), tokens) : 0;
    }

    /** Bytes of the strips of x, or y - x, before one. */
    private static long before(TileGrid grid, int strip, int tokens) {
        if (tokens == 0) {
            return 0; // there is no section
        }
        long columns = Math.min(grid.order(), (long) strip * grid.tileSize());
        return columns * tokens * Float.BYTES + (long) strip * SectionWriter.DIGEST_BYTES;
    }

    private static long squares(TileGrid grid) {
        return isWhole(grid) ? 0 : SectionWriter.length(grid.order(), Double.BYTES);
    }

    /** Bytes of what comes before an input where each takes so many. */
    private long before(LinearInput input, ToLongFunction<TileGrid> bytes) {
        long sum = 0;
        for (Map.Entry<LinearInput, TileGrid> other : grids.entrySet()) {
            sum += other.getKey().compareTo(input) < 0 ? bytes.applyAsLong(other.getValue()) : 0;
        }
        return sum;
    }

    /** Sees what layers read and writes it down. */
    public final class Writer implements BlockObserver {
        private final SectionWriter out;
        private final Map<LinearInput, SquareTiles> squares = new EnumMap<>(LinearInput.class);
        private final Map<LinearInput, float[]> originals = new EnumMap<>(LinearInput.class);
        private Shard.Batch batch;
        private LinearInput last;
        private float[] packed = new float[0];

        private Writer(SectionWriter out) throws IOException {
            this.out = out;
            out.write(header());
            grids.forEach((input, grid) -> {
                if (!isWhole(grid)) {
                    squares.put(input, new SquareTiles(grid));
                }
            });
        }

        /** Says which tokens the inputs that come next belong to. */
        public void begin(Shard.Batch next) {
            batch = next;
            last = null;
        }

        /** What looks at the batch's inputs as the original weights make them, before this looks at them as they now are. */
        public BlockObserver originals() {
            return (block, input, y, tokens, columns) -> {
                if (paired && grids.containsKey(input) && isWhole(grids.get(input))) {
                    int values = tokens * columns;
                    float[] kept = originals.get(input);
                    if (kept == null || kept.length < values) {
                        kept = new float[values];
                        originals.put(input, kept);
                    }
                    System.arraycopy(y, 0, kept, 0, values);
                }
            };
        }

        @Override
        public void input(int block, LinearInput input, float[] x, int tokens, int columns) throws IOException {
            TileGrid grid = grids.get(input);
            if (grid == null) {
                return;
            }
            if (tokens != batch.tokens()) {
                throw new IllegalStateException(
                        "Cannot keep the inputs of " + tokens + " tokens: the batch has " + batch.tokens());
            }
            if (last != null && last.compareTo(input) >= 0) {
                throw new IllegalStateException("Cannot keep the inputs of " + input + " behind those of " + last);
            }
            last = input;
            int[] kept = batch.kept();
            if (kept.length == 0) {
                return;
            }
            if (!isWhole(grid)) {
                pack(x, null, kept, columns, 0, columns);
                squares.get(input).add(packed, kept.length);
                return;
            }
            write(grid, x, null, kept);
            if (paired) {
                write(grid, x, originals.get(input), kept);
            }
        }

        private void write(TileGrid grid, float[] x, float[] y, int[] kept) throws IOException {
            for (int strip = 0; strip < grid.side(); strip++) {
                int count = grid.rows(strip);
                pack(x, y, kept, grid.order(), strip * grid.tileSize(), count);
                out.write(packed, 0, kept.length * count);
            }
        }

        /** Puts {@code count} columns of each token that counts side by side: of x, or, if there is a y, of y - x. */
        private void pack(float[] x, float[] y, int[] kept, int columns, int first, int count) {
            if (packed.length < kept.length * count) {
                packed = new float[Math.multiplyExact(kept.length, count)];
            }
            for (int i = 0; i < kept.length; i++) {
                int from = kept[i] * columns + first;
                int to = i * count;
                if (y == null) {
                    System.arraycopy(x, from, packed, to, count);
                } else {
                    for (int c = 0; c < count; c++) {
                        packed[to + c] = y[from + c] - x[from + c];
                    }
                }
            }
        }

        private void end() throws IOException {
            for (SquareTiles tiles : squares.values()) {
                double[] diagonal = tiles.diagonal();
                out.write(diagonal, 0, diagonal.length);
            }
        }
    }

    /** Opens the file. */
    public Reader open() throws IOException {
        return new Reader();
    }

    /** Reads strips of it; for one thread. */
    public final class Reader implements Closeable {
        private final SectionReader sections;
        private final List<Shard.Batch> batches = shard.batches(batchTokens);
        private final long[] begins = new long[batches.size() + 1];

        private Reader() throws IOException {
            sections = new SectionReader(storage, file);
            begins[0] = SectionWriter.length(HEADER_INTS, Integer.BYTES);
            for (int i = 0; i < batches.size(); i++) {
                begins[i + 1] = begins[i] + strips(grids, paired, batches.get(i).kept().length);
            }
            try {
                int[] found = new int[HEADER_INTS];
                sections.read(0, found);
                if (!Arrays.equals(found, header())) {
                    throw new InvalidInputException(
                            "Cannot use " + file + ": it does not hold the inputs of shard " + shard.id());
                }
            } catch (IOException | RuntimeException e) {
                sections.close();
                throw e;
            }
        }

        /** The shard's batches. */
        public List<Shard.Batch> batches() {
            return batches;
        }

        /**
         * Reads a strip of a batch with tokens that count.
         *
         * @param difference whether y - x is wanted, not x
         * @param at where the first token's go
         * @param stride distance of two tokens
         */
        public void read(int batch, LinearInput input, boolean difference, int strip, float[] into, int at, int stride)
                throws IOException {
            int tokens = batches.get(batch).kept().length;
            TileGrid grid = grids.get(input);
            long offset = begins[batch]
                    + before(input, other -> strips(other, paired, tokens))
                    + (difference ? before(grid, grid.side(), tokens) : 0)
                    + before(grid, strip, tokens);
            sections.read(offset, into, at, tokens, grid.rows(strip), stride);
        }

        /** Reads the shard's sum of squares of an input of which no more is wanted. */
        public double[] squares(LinearInput input) throws IOException {
            long offset = begins[batches.size()] + before(input, InputFile::squares);
            double[] squares = new double[grids.get(input).order()];
            sections.read(offset, squares, 0, squares.length);
            return squares;
        }

        @Override
        public void close() throws IOException {
            sections.close();
        }
    }
}
