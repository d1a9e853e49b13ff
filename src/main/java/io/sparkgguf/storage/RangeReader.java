package io.sparkgguf.storage;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;

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

    /**
     * Reads several ranges, in any order, which may overlap in the file but not in their arrays. Where a request is dear
     * (HDFS, object stores), ranges that lie close to each other are read in one.
     *
     * @throws java.io.EOFException when the file ends before one of them does; what the arrays hold then is undefined
     */
    default void readRanges(List<ReadRange> ranges) throws IOException {
        for (ReadRange range : ranges) {
            readFully(range.offset(), range.into(), range.at(), range.count());
        }
    }
}
