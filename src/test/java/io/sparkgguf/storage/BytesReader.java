package io.sparkgguf.storage;

import java.io.EOFException;
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
        for (int i = 0; i < count; i++) {
            into[at + i] = offset + i < bytes.length ? bytes[(int) (offset + i)] : 0;
        }
    }

    @Override
    public void close() {}
}
