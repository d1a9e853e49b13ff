package io.sparkgguf.calibrate;

import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.Closeable;
import java.io.IOException;
import java.util.Arrays;

/**
 * The hidden states of a shard before a block, in a file: float32, tokens by width, one section for each sequence.
 *
 * @param block the block that takes them in
 */
public record HiddenStates(Storage storage, String file, Shard shard, int block, int width) {
    private static final int MAGIC = 0x53474853;
    private static final int HEADER_INTS = 4;

    private int[] header() {
        return new int[] {MAGIC, shard.id(), block, width};
    }

    /** Gives the hidden states of a batch of whole sequences. */
    public interface Source {
        /** The states of the next sequences, {@code batch.tokens()} rows from index 0. */
        float[] next(Shard.Batch batch) throws IOException;
    }

    /** Writes the file, batch by batch. */
    public void write(Iterable<Shard.Batch> batches, Source source) throws IOException {
        WholeFile.write(storage, file, out -> {
            SectionWriter sections = new SectionWriter(out);
            sections.write(header());
            for (Shard.Batch batch : batches) {
                float[] states = source.next(batch);
                int from = 0;
                for (int end : batch.ends()) {
                    sections.write(states, from * width, (end - from) * width);
                    from = end;
                }
            }
        });
    }

    /** Bytes of such a file. */
    public static long length(Shard shard, int width) {
        return SectionWriter.length(HEADER_INTS, Integer.BYTES)
                + (long) shard.tokens() * width * Float.BYTES
                + (long) shard.lengths().length * SectionWriter.DIGEST_BYTES;
    }

    /** Opens the file. */
    public Reader open() throws IOException {
        return new Reader();
    }

    /** Reads batches of it; for one thread. */
    public final class Reader implements Closeable {
        private final SectionReader sections;

        private Reader() throws IOException {
            sections = new SectionReader(storage, file);
            int[] found = new int[HEADER_INTS];
            sections.read(0, found);
            if (!Arrays.equals(found, header())) {
                sections.close();
                throw new InvalidInputException("Cannot use " + file + ": it does not hold the hidden states of shard "
                        + shard.id() + " before block " + block + ", " + width + " wide");
            }
        }

        /** Reads the states of a batch, {@code batch.tokens()} rows from index 0. */
        public void read(Shard.Batch batch, float[] into) throws IOException {
            int digests = batch.firstSequence();
            long offset = SectionWriter.length(HEADER_INTS, Integer.BYTES)
                    + (long) batch.firstToken() * width * Float.BYTES
                    + (long) digests * SectionWriter.DIGEST_BYTES;
            int from = 0;
            for (int end : batch.ends()) {
                int count = (end - from) * width;
                sections.read(offset, into, from * width, count);
                offset += SectionWriter.length(count, Float.BYTES);
                from = end;
            }
        }

        @Override
        public void close() throws IOException {
            sections.close();
        }
    }
}
