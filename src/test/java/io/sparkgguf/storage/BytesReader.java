package io.sparkgguf.storage;

import java.io.EOFException;
import java.util.Arrays;
import java.util.Objects;

/** A file that is an array, with zeros behind it where it is told to be longer. */
public record BytesReader(String file, byte[] bytes, long length) implements RangeReader {
    public BytesReader(String file, byte[] bytes) {
        this(file, bytes, bytes.length);
    }

    @Override
    public void readFully(long offset, byte[] into, int at, int count) throws EOFException {
        Objects.checkFromIndexSize(at, count, into.length);
        if (offset < 0 || offset > length - count) {
            throw new EOFException("read of " + count + " bytes at " + offset + " of " + length);
        }
        int there = (int) Math.max(0, Math.min(count, bytes.length - offset));
        if (there > 0) {
            System.arraycopy(bytes, (int) offset, into, at, there);
        }
        Arrays.fill(into, at + there, at + count, (byte) 0);
    }

    @Override
    public void close() {}
}
