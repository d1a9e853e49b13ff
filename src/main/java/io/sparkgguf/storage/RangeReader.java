package io.sparkgguf.storage;

import java.io.Closeable;
import java.io.IOException;

/** Positional reads of one file. Safe for use by several threads; reads have no shared position. */
public interface RangeReader extends Closeable {

    /** The file's name, for messages. */
    String file();

    /** Bytes of the file, fixed when it was opened. */
    long length();

    /**
     * Reads exactly {@code count} bytes from {@code offset} of the file into {@code into[at .. at + count)}.
     *
     * @throws java.io.EOFException when the file ends before, with file, offset and both lengths in the message
     */
    void readFully(long offset, byte[] into, int at, int count) throws IOException;
}
