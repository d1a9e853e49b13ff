package io.sparkgguf.calibrate;

import io.sparkgguf.storage.Digest;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes arrays as sections of a file: little-endian values, then the xxHash64 of their bytes. {@link SectionReader} reads
 * them back by offset, so every file's offsets must follow from what is known of it.
 */
public final class SectionWriter {
    static final int DIGEST_BYTES = Long.BYTES;
    static final int BUFFER_BYTES = 1 << 20;

    private final OutputStream out;
    private ByteBuffer buffer = ByteBuffer.allocate(DIGEST_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Digest digest = new Digest();

    /** @param out stays open */
    public SectionWriter(OutputStream out) {
        this.out = out;
    }

    /** Bytes that a section of so many values of so many bytes takes. */
    public static long length(long values, int valueBytes) {
        return Math.addExact(Math.multiplyExact(values, (long) valueBytes), DIGEST_BYTES);
    }

    /** A section of {@code from[at .. at + count)}. */
    public void write(float[] from, int at, int count) throws IOException {
        digest.reset();
        append(from, at, count);
        seal();
    }

    /** A section of {@code rows} runs of {@code count} floats, {@code stride} apart. */
    public void write(float[] from, int at, int rows, int count, int stride) throws IOException {
        digest.reset();
        for (int row = 0; row < rows; row++) {
            append(from, at + row * stride, count);
        }
        seal();
    }

    private void append(float[] from, int at, int count) throws IOException {
        for (int done = 0; done < count; ) {
            int part = Math.min(count - done, room((long) count * Float.BYTES) / Float.BYTES);
            buffer.clear().asFloatBuffer().put(from, at + done, part);
            put(part * Float.BYTES);
            done += part;
        }
    }

    /** A section of {@code from[at .. at + count)}. */
    public void write(double[] from, int at, int count) throws IOException {
        digest.reset();
        for (int done = 0; done < count; ) {
            int part = Math.min(count - done, room((long) count * Double.BYTES) / Double.BYTES);
            buffer.clear().asDoubleBuffer().put(from, at + done, part);
            put(part * Double.BYTES);
            done += part;
        }
        seal();
    }

    /** A section of {@code from}. */
    public void write(int... from) throws IOException {
        digest.reset();
        for (int done = 0; done < from.length; ) {
            int part = Math.min(from.length - done, room((long) from.length * Integer.BYTES) / Integer.BYTES);
            buffer.clear().asIntBuffer().put(from, done, part);
            put(part * Integer.BYTES);
            done += part;
        }
        seal();
    }

    /** Bytes that are put at once, of a section or row of it of so many. */
    private int room(long bytes) {
        int most = (int) Math.min(bytes, BUFFER_BYTES);
        if (buffer.capacity() < most) {
            buffer = ByteBuffer.allocate(most).order(ByteOrder.LITTLE_ENDIAN);
        }
        return most;
    }

    private void put(int bytes) throws IOException {
        digest.update(buffer.array(), 0, bytes);
        out.write(buffer.array(), 0, bytes);
    }

    private void seal() throws IOException {
        buffer.clear().putLong(digest.value());
        out.write(buffer.array(), 0, DIGEST_BYTES);
    }
}
