package io.sparkgguf.storage;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** For places that know whole files only: one task writes all of it. */
final class StreamCommit extends RenamingCommit {
    StreamCommit(Storage storage, String target, long length) {
        super(storage, target, length);
    }

    @Override
    public int mostRanges() {
        return 1;
    }

    /** Always anew: it is written from start to end. */
    @Override
    boolean make(String file, boolean earlier) throws IOException {
        storage.create(file).close();
        return false;
    }

    @Override
    void sweep() throws IOException {
        String folder = Names.folder(unfinished());
        String name = unfinished().substring(unfinished().lastIndexOf('/') + 1);
        for (Storage.FileStatus entry : storage.list(folder)) {
            if (!entry.folder() && WholeFile.isTemporary(entry.fileName(), name)) {
                storage.delete(storage.resolve(folder, entry.fileName()));
            }
        }
    }

    @Override
    public RangeSink sink(int ranges) {
        return new Sink(storage, unfinished());
    }

    /** Copies of the task at once write beside each other; the last renamed is as good as the first. */
    private record Sink(Storage storage, String file) implements RangeSink {
        @Override
        public String write(int index, long offset, boolean last, RangeContent content) throws IOException {
            if (index != 0 || offset != 0 || !last) {
                throw new IllegalArgumentException(
                        "Cannot write range " + index + " of " + file + ": it is written whole");
            }
            WholeFile.write(storage, file, out -> copy(content, out));
            return "";
        }

        private static void copy(RangeContent content, OutputStream out) throws IOException {
            byte[] buffer = new byte[(int) Math.min(BUFFER, content.length() + 1)];
            try (InputStream in = content.open()) {
                for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                    out.write(buffer, 0, count);
                }
            }
        }
    }
}
