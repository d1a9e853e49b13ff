package io.sparkgguf.calibrate;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Reads what {@link SectionWriter} wrote, and refuses what is no longer so. For one thread. */
public final class SectionReader implements Closeable {
    private final RangeReader reader;
    private final ByteBuffer buffer =
            ByteBuffer.allocate(SectionWriter.BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Digest digest = new Digest();

    public SectionReader(Storage storage, String file) throws IOException {
        reader = storage.open(file);
    }

    /** Reads the section of {@code count} floats that begins at byte {@code offset}. */
    public void read(long offset, float[] into, int at, int count) throws IOException {
        digest.reset();
        for (int done = 0; done < count; ) {
            int part = Math.min(count - done, SectionWriter.BUFFER_BYTES / Float.BYTES);
            fetch(offset + (long) done * Float.BYTES, part * Float.BYTES);
            buffer.asFloatBuffer().get(into, at + done, part);
            done += part;
        }
        requireSeal(offset, (long) count * Float.BYTES);
    }

    /** Reads the section of {@code count} doubles that begins at byte {@code offset}. */
    public void read(long offset, double[] into, int at, int count) throws IOException {
        digest.reset();
        for (int done = 0; done < count; ) {
            int part = Math.min(count - done, SectionWriter.BUFFER_BYTES / Double.BYTES);
            fetch(offset + (long) done * Double.BYTES, part * Double.BYTES);
            buffer.asDoubleBuffer().get(into, at + done, part);
            done += part;
        }
        requireSeal(offset, (long) count * Double.BYTES);
    }

    /** Reads the section of {@code into.length} ints that begins at byte {@code offset}. */
    public void read(long offset, int[] into) throws IOException {
        digest.reset();
        for (int done = 0; done < into.length; ) {
            int part = Math.min(into.length - done, SectionWriter.BUFFER_BYTES / Integer.BYTES);
            fetch(offset + (long) done * Integer.BYTES, part * Integer.BYTES);
            buffer.asIntBuffer().get(into, done, part);
            done += part;
        }
        requireSeal(offset, (long) into.length * Integer.BYTES);
    }

    private void fetch(long offset, int bytes) throws IOException {
        reader.readFully(offset, buffer.clear().array(), 0, bytes);
        digest.update(buffer.array(), 0, bytes);
    }

    private void requireSeal(long offset, long bytes) throws IOException {
        long found = digest.value();
        reader.readFully(offset + bytes, buffer.clear().array(), 0, SectionWriter.DIGEST_BYTES);
        long written = buffer.getLong(0);
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
