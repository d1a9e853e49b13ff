package io.sparkgguf.storage;

import java.util.Objects;

/**
 * A range of a file, and the place in an array that its bytes are read into.
 *
 * @param offset first byte in the file
 * @param into receives {@code into[at .. at + count)}
 * @param count bytes
 */
public record ReadRange(long offset, byte[] into, int at, int count) {
    public ReadRange {
        Objects.checkFromIndexSize(at, count, into.length);
        if (offset < 0 || offset > Long.MAX_VALUE - count) {
            throw new IllegalArgumentException("Cannot read " + count + " bytes from byte " + offset);
        }
    }

    /** One past the last byte in the file. */
    public long end() {
        return offset + count;
    }
}
