package io.sparkgguf.storage;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;

/** Ranges, or results of any size, are written at their offset of one file, which has its length from the start. */
final class PositionalCommit extends RenamingCommit {
    private boolean writtenInPlace;

    PositionalCommit(Storage storage, String target, long length) {
        super(storage, target, length);
    }

    @Override
    public int mostRanges() {
        return Integer.MAX_VALUE;
    }

    /** What an earlier run wrote stays, as far as it is still there: whoever goes on from it looks at the bytes. */
    @Override
    boolean make(String file, boolean earlier) throws IOException {
        boolean found = earlier && storage.exists(file);
        if (!found) {
            storage.create(file).close();
        }
        try (RangeWriter out = RangeWriter.open(storage, file)) {
            out.setLength(length);
        }
        return found;
    }

    @Override
    public Optional<String> writable() {
        writtenInPlace = true;
        return Optional.of(unfinished());
    }

    @Override
    public void leave() throws IOException {
        if (!writtenInPlace) {
            abort();
        }
    }

    @Override
    public RangeSink sink(int ranges) {
        return new Sink(storage, unfinished());
    }

    private record Sink(Storage storage, String file) implements RangeSink {
        @Override
        public String write(int index, long offset, boolean last, RangeContent content) throws IOException {
            byte[] buffer = new byte[(int) Math.min(BUFFER, content.length())];
            try (RangeWriter out = RangeWriter.open(storage, file);
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
