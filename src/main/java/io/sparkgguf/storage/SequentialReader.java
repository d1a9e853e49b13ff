package io.sparkgguf.storage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Reads little-endian fields one after another from a part of a file, through a buffer. Made for headers of hostile
 * files: whether the bytes are there at all is asked before any memory is taken for them, and what is refused is
 * refused with its place.
 *
 * <p>Not safe for use by several threads. Does not close the reader below.
 */
public final class SequentialReader {
    private static final int BUFFER = 1 << 18;

    private final RangeReader source;
    private final String kind;
    private final long end;
    private final byte[] buffer;
    private final ByteBuffer fields;
    private long bufferStart;
    private int next;
    private int filled;

    /**
     * @param kind what the file is to be, for messages: {@code GGUF file}
     * @param start first byte to read
     * @param end one past the last byte that may be read, at most the file's length
     */
    public SequentialReader(RangeReader source, String kind, long start, long end) {
        if (start < 0 || end < start || end > source.length()) {
            throw new IllegalArgumentException("Cannot read bytes " + start + " to " + end + " of " + source.file()
                    + ": the file has " + source.length() + " bytes");
        }
        this.source = source;
        this.kind = kind;
        this.end = end;
        this.buffer = new byte[(int) Math.min(BUFFER, Math.max(8, end - start))];
        this.fields = ByteBuffer.wrap(buffer).order(ByteOrder.LITTLE_ENDIAN);
        this.bufferStart = start;
    }

    /** The file's byte that is read next. */
    public long position() {
        return bufferStart + next;
    }

    /** Bytes that are left. */
    public long remaining() {
        return end - position();
    }

    /**
     * Refuses the file unless {@code bytes} more bytes are left.
     *
     * @param what that takes them, for the message
     */
    public void require(long bytes, String what) {
        if (bytes > remaining()) {
            throw damaged(
                    position(),
                    what + " takes " + bytes + " bytes, but only " + remaining() + " are left (the "
                            + (end == source.length() ? "file" : "part") + " ends at byte " + end + ")");
        }
    }

    /** The exception for a file that is wrong at {@code position}. */
    public InvalidInputException damaged(long position, String reason) {
        return new InvalidInputException(
                "Cannot read " + kind + " " + source.file() + " at byte " + position + ": " + reason);
    }

    public byte readByte(String what) throws IOException {
        return fields.get(take(1, what));
    }

    public short readShort(String what) throws IOException {
        return fields.getShort(take(2, what));
    }

    public int readInt(String what) throws IOException {
        return fields.getInt(take(4, what));
    }

    public long readLong(String what) throws IOException {
        return fields.getLong(take(8, what));
    }

    /** {@code count} bytes in an array of their own. */
    public byte[] readBytes(int count, String what) throws IOException {
        require(count, what);
        byte[] bytes = new byte[count];
        readBytes(bytes, 0, count, what);
        return bytes;
    }

    public void readBytes(byte[] into, int at, int count, String what) throws IOException {
        require(count, what);
        int buffered = Math.min(count, filled - next);
        System.arraycopy(buffer, next, into, at, buffered);
        next += buffered;
        int missing = count - buffered;
        if (missing >= buffer.length) {
            long position = position();
            source.readFully(position, into, at + buffered, missing);
            moveTo(position + missing);
        } else if (missing > 0) {
            System.arraycopy(buffer, take(missing, what), into, at + buffered, missing);
        }
    }

    /** Leaves {@code bytes} bytes unread. */
    public void skip(long bytes, String what) {
        require(bytes, what);
        if (bytes <= filled - next) {
            next += (int) bytes;
        } else {
            moveTo(position() + bytes);
        }
    }

    private void moveTo(long position) {
        bufferStart = position;
        next = 0;
        filled = 0;
    }

    /** Makes {@code count} bytes, at most the buffer's, available and returns where they begin in it. */
    private int take(int count, String what) throws IOException {
        require(count, what);
        if (filled - next < count) {
            int kept = filled - next;
            System.arraycopy(buffer, next, buffer, 0, kept);
            bufferStart += next;
            next = 0;
            filled = kept;
            int more = (int) Math.min(buffer.length - kept, end - bufferStart - kept);
            source.readFully(bufferStart + kept, buffer, kept, more);
            filled += more;
        }
        int at = next;
        next += count;
        return at;
    }
}
