package io.sparkgguf.calibrate;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** Reads what {@link SectionWriter} wrote, and refuses what is no longer so. For one thread. */
public final class SectionReader implements Closeable {
    private final RangeReader reader;
    private ByteBuffer buffer = ByteBuffer.allocate(0);
    private final Digest digest = new Digest();
    private long written;

    public SectionReader(Storage storage, String file) throws IOException {
        reader = storage.open(file);
    }

    /** Reads the section of {@code count} floats that begins at byte {@code offset}. */
    public void read(long offset, float[] into, int at, int count) throws IOException {
        read(offset, into, at, 1, count, count);
    }

    /** Reads the section of {@code rows} runs of {@code count} floats to places {@code stride} apart. */
    public void read(long offset, float[] into, int at, int rows, int count, int stride) throws IOException {
        long values = (long) rows * count;
        int most = begin(values * Float.BYTES) / Float.BYTES;
        for (long done = 0; done < values; ) {
            int part = (int) Math.min(values - done, most);
            fetch(offset + done * Float.BYTES, part * Float.BYTES, done + part == values);
            FloatBuffer floats = buffer.asFloatBuffer();
            for (int left = part; left > 0; ) {
                int column = (int) (done % count);
                int run = Math.min(left, count - column);
                floats.get(into, at + (int) (done / count) * stride + column, run);
                done += run;
                left -= run;
            }
        }
        requireSeal(offset, values * Float.BYTES);
    }

    /** Reads the section of {@code count} doubles that begins at byte {@code offset}. */
    public void read(long offset, double[] into, int at, int count) throws IOException {
        int most = begin((long) count * Double.BYTES) / Double.BYTES;
        for (int done = 0; done < count; ) {
            int part = Math.min(count - done, most);
            fetch(offset + (long) done * Double.BYTES, part * Double.BYTES, done + part == count);
            buffer.asDoubleBuffer().get(into, at + done, part);
            done += part;
        }
        requireSeal(offset, (long) count * Double.BYTES);
    }

    /** Reads the section of {@code into.length} ints that begins at byte {@code offset}. */
    public void read(long offset, int[] into) throws IOException {
        int most = begin((long) into.length * Integer.BYTES) / Integer.BYTES;
        for (int done = 0; done < into.length; ) {
            int part = Math.min(into.length - done, most);
            fetch(offset + (long) done * Integer.BYTES, part * Integer.BYTES, done + part == into.length);
            buffer.asIntBuffer().get(into, done, part);
            done += part;
        }
        requireSeal(offset, (long) into.length * Integer.BYTES);
    }

    /** Begins a section of so many bytes, one at least; gives those that are read at once. */
    private int begin(long bytes) {
        digest.reset();
        int part = (int) Math.min(bytes, SectionWriter.BUFFER_BYTES);
        if (buffer.capacity() < part + SectionWriter.DIGEST_BYTES) {
            buffer = ByteBuffer.allocate(part + SectionWriter.DIGEST_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        }
        return part;
    }

    /** Reads values, and with the last ones what was written as their digest: one request less. */
    private void fetch(long offset, int bytes, boolean last) throws IOException {
        int seal = last ? SectionWriter.DIGEST_BYTES : 0;
        reader.readFully(offset, buffer.clear().array(), 0, bytes + seal);
        digest.update(buffer.array(), 0, bytes);
        if (last) {
            written = buffer.getLong(bytes);
        }
    }

    private void requireSeal(long offset, long bytes) {
        long found = digest.value();
        if (found != written) {
            throw new InvalidInputException(
                    ("Cannot use %s: its bytes %d to %d have the digest %s, written were bytes of"
                                    + " digest %s; it was changed or damaged")
                            .formatted(reader.file(), offset, offset + bytes, Digest.hex(found), Digest.hex(written)));
        }
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }
}
