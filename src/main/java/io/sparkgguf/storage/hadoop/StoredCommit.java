package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.Storage.FileStatus;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.apache.hadoop.fs.BBUploadHandle;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UploadHandle;

/**
 * For object stores (S3): the object appears when its upload is completed, all at once, and nothing of it can be read
 * before. So publishing is completing, and what is sent must be known to be right.
 */
final class StoredCommit extends UploadCommit {
    private static final int MOST = 10_000;

    private static final long LEAST = 5L << 20;

    private List<String> receipts = List.of();

    StoredCommit(HadoopStorage storage, String target, long length) {
        super(storage, target, length);
    }

    @Override
    String uploaded() {
        return target();
    }

    @Override
    public long leastRange() {
        return LEAST;
    }

    /** A put is seen whole or not at all, and all attempts at a part have the same bytes: so they may have one number. */
    @Override
    int numbers(int ranges) {
        return ranges;
    }

    @Override
    public int mostRanges() {
        return MOST;
    }

    @Override
    boolean holdsRanges() {
        return true;
    }

    @Override
    boolean isOpen(UploadHandle found) throws IOException {
        return open(storage, target()).contains(new String(found.toByteArray(), StandardCharsets.UTF_8));
    }

    /** Ids of the target's open uploads. */
    private static List<String> open(HadoopStorage storage, String target) throws IOException {
        try {
            Path path = storage.qualified(target);
            return S3aUploads.open(storage.fileSystem(path), path);
        } catch (IOException e) {
            throw HadoopStorage.failure("list the uploads of", target, e);
        }
    }

    /**
     * Aborts all uploads of a target that are open.
     *
     * @param handle of one that may not be listed, or null
     * @return what was removed, for people
     */
    static List<String> discard(HadoopStorage storage, String target, String handle) throws IOException {
        List<String> removed = new ArrayList<>();
        for (String id : open(storage, target)) {
            abort(storage, target, BBUploadHandle.from(ByteBuffer.wrap(id.getBytes(StandardCharsets.UTF_8))));
            removed.add("an open upload of " + target);
        }
        if (removed.isEmpty() && handle != null) {
            abort(storage, target, UploadHandles.parse(handle));
        }
        return removed;
    }

    @Override
    public List<Integer> seal(List<String> all) {
        receipts = List.copyOf(all);
        return List.of();
    }

    @Override
    public Optional<String> readable() {
        return Optional.empty();
    }

    @Override
    public void publish() throws IOException {
        FileStatus before = found();
        try {
            complete(receipts);
        } catch (IOException e) {
            // A store that had done it, but whose answer was lost, does not know the upload when it is asked again.
            FileStatus after = found();
            if (after == null || after.length() != length || Objects.equals(before, after)) {
                receipts = null; // it may be the parts: nothing to go on with
                throw HadoopStorage.failure("publish", target(), e);
            }
        }
        FileStatus after = found();
        if (after == null || after.length() != length) {
            throw new IOException("Cannot publish " + target() + ": it has " + (after == null ? "no" : after.length())
                    + " bytes, planned are " + length);
        }
    }

    private FileStatus found() throws IOException {
        try {
            return storage.status(target());
        } catch (FileNotFoundException e) {
            return null;
        }
    }

    /** The parts stay in the store, where nobody sees them, for a run that goes on. */
    @Override
    public void leave() throws IOException {
        if (receipts == null) {
            abort();
        }
    }
}
