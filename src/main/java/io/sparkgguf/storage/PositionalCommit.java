package io.sparkgguf.storage;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;

/** Ranges are written at their offset of one file, and are on disk when their writer returns. */
final class PositionalCommit extends RenamingCommit {
    PositionalCommit(Storage storage, String target, long length) {
        super(storage, target, length);
    }

    @Override
    public int mostRanges() {
        return Integer.MAX_VALUE;
    }

    @Override
    void make(String file) throws IOException {
        storage.delete(file);
        open(storage, file).close();
    }

    @Override
    public RangeSink sink(int ranges) {
        return new Sink(storage, unfinished());
    }

    private static RangeWriter open(Storage storage, String file) throws IOException {
        return storage.openForWriting(file)
                .orElseThrow(() -> new IllegalStateException("Cannot write " + file + " at an offset"));
    }

    private record Sink(Storage storage, String file) implements RangeSink {
        @Override
        public String write(int index, long offset, boolean last, RangeContent content) throws IOException {
            byte[] buffer = new byte[(int) Math.min(BUFFER, content.length())];
            try (RangeWriter out = open(storage, file);
                    InputStream in = content.open()) {
                for (long done = 0; done < content.length(); ) {
                    int wanted = (int) Math.min(buffer.length, content.length() - done);
                    int count = in.readNBytes(buffer, 0, wanted);
                    if (count < wanted) {
                        throw new EOFException("Cannot write " + file + ": range " + index + " ends after "
                                + (done + count) + " of " + content.length() + " bytes");
                    }
                    out.write(offset + done, buffer, 0, count);
                    done += count;
                }
            }
            return "";
        }
    }
}
