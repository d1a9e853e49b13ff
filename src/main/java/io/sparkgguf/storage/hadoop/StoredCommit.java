package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.Storage.FileStatus;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.apache.hadoop.fs.MultipartUploader;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UploadHandle;
import org.apache.hadoop.util.functional.FutureIO;

/**
 * For object stores (S3): the object appears when its upload is completed, all at once, and nothing of it can be read
 * before. So publishing is completing, and what is sent must be known to be right.
 */
final class StoredCommit extends UploadCommit {
    /** S3 takes numbers 1 to 10,000; the last one serves to ask whether an upload is still there. */
    private static final int NUMBERS = 9_999;

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

    @Override
    int numbers() {
        return NUMBERS;
    }

    @Override
    boolean holdsRanges() {
        return true;
    }

    /** Asked by putting a part that is never taken. */
    @Override
    boolean isOpen(UploadHandle found) throws IOException {
        Path path = storage.qualified(uploaded());
        try (MultipartUploader uploader = storage.uploader(path)) {
            InputStream one = InputStream.nullInputStream();
            FutureIO.awaitFuture(uploader.putPart(found, NUMBERS + 1, true, path, one, 0));
            return true;
        } catch (FileNotFoundException e) {
            return false;
        } catch (IOException e) {
            throw HadoopStorage.failure("go on with the upload of", target(), e);
        }
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
    public void leave() {}
}
