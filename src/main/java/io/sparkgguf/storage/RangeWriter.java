package io.sparkgguf.storage;

import java.io.Closeable;
import java.io.IOException;

/**
 * Positional writes into one file. Several writers, of several processes too, may have the file open at once; each
 * writes ranges of its own. Safe for use by several threads.
 */
public interface RangeWriter extends Closeable {

    /** A writer of a file in a place that is known to have such writers. */
    static RangeWriter open(Storage storage, String file) throws IOException {
        return storage.openForWriting(file)
                .orElseThrow(() -> new IllegalStateException("Cannot write " + file + " at an offset"));
    }

    /** The file's name, for messages. */
    String file();

    /** Writes {@code from[at .. at + count)} at {@code offset} of the file, which grows when it ends before. */
    void write(long offset, byte[] from, int at, int count) throws IOException;

    /** Cuts the file to {@code length} bytes, or extends it with zeros. */
    void setLength(long length) throws IOException;

    /** Returns when what was written is on disk, if files are to last. */
    void force() throws IOException;

    /** Does so for all that was written, and closes the file. */
    @Override
    void close() throws IOException;
}
