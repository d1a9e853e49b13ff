package io.sparkgguf.storage;

import java.io.IOException;
import java.io.Serializable;

/**
 * Takes ranges of one file from tasks. A range may be written again, by a retry or by two copies of a task at once: the
 * bytes are the same, and any of the receipts will do.
 */
public interface RangeSink extends Serializable {

    /**
     * Writes a range.
     *
     * @param index of the range, from 0, in order of offset and without gaps
     * @param offset of its first byte in the file
     * @param last whether the file ends with it
     * @return a receipt, which the driver passes to {@link FileCommit#seal}
     */
    String write(int index, long offset, boolean last, RangeContent content) throws IOException;
}
