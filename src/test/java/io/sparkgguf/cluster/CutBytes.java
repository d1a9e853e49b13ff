package io.sparkgguf.cluster;

import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.RangeContent;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A file's bytes cut into ranges, to be written by hand.
 *
 * @param range bytes of each range but the last
 */
record CutBytes(byte[] bytes, int range) {

    int ranges() {
        return (bytes.length + range - 1) / range;
    }

    /** Writes a range as a task would; returns the receipt. */
    String put(FileCommit commit, int index) throws IOException {
        byte[] content = Arrays.copyOfRange(bytes, index * range, Math.min(bytes.length, (index + 1) * range));
        return commit.sink(ranges()).write(index, (long) index * range, index == ranges() - 1, new RangeContent() {
            @Override
            public long length() {
                return content.length;
            }

            @Override
            public InputStream open() {
                return new ByteArrayInputStream(content);
            }
        });
    }

    /** All of them, the last one first, and each twice: as when a task is lost after it has done its work. */
    List<String> putAll(FileCommit commit) throws IOException {
        List<String> receipts = new ArrayList<>();
        for (int index = ranges() - 1; index >= 0; index--) {
            put(commit, index);
            receipts.add(0, put(commit, index));
        }
        return receipts;
    }

    /** A whole file as it is read. */
    static byte[] read(Storage storage, String file) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            byte[] found = new byte[(int) reader.length()];
            reader.readFully(0, found, 0, found.length);
            return found;
        }
    }
}
