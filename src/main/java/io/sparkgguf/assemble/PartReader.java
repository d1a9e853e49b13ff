package io.sparkgguf.assemble;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import java.io.Closeable;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;

/** Reads one part from start to end, and knows in the end whether it is what was written. Positions are the output's. */
final class PartReader implements Closeable {
    private final Part part;
    private final byte[] buffer;
    private final Digest digest = new Digest();
    private final RangeReader in;
    private long bufferStart;
    private int filled;

    /** @param buffer of its own while it reads */
    PartReader(Storage storage, Part part, byte[] buffer) throws IOException {
        this.part = part;
        this.buffer = buffer;
        bufferStart = part.offset();
        try {
            in = storage.open(part.file());
        } catch (FileNotFoundException e) {
            throw new DamagedPartException(part, "it is missing", e);
        }
        if (in.length() != part.length()) {
            in.close();
            throw new DamagedPartException(
                    part, "it has " + in.length() + " bytes, written were " + part.length(), null);
        }
    }

    /** Copies bytes from {@code position} on, as many as are at hand but {@code count} at the most; returns how many. */
    int copy(long position, byte[] into, int start, int count) throws IOException {
        fillTo(position);
        int step = (int) Math.min(count, bufferStart + filled - position);
        System.arraycopy(buffer, (int) (position - bufferStart), into, start, step);
        return step;
    }

    /** Reads what is left; throws when the part is not what was written. */
    void finish() throws IOException {
        fillTo(part.end() - 1);
        if (digest.value() != part.digest()) {
            throw new DamagedPartException(
                    part,
                    "it has xxHash64 " + Digest.hex(digest.value()) + ", written was " + Digest.hex(part.digest()),
                    null);
        }
    }

    /** Until the byte at {@code position} is in the buffer. */
    private void fillTo(long position) throws IOException {
        while (bufferStart + filled <= position) {
            bufferStart += filled;
            filled = (int) Math.min(buffer.length, part.end() - bufferStart);
            try {
                in.readFully(bufferStart - part.offset(), buffer, 0, filled);
            } catch (EOFException e) {
                throw new DamagedPartException(part, "it was cut short", e);
            }
            digest.update(buffer, 0, filled);
        }
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
