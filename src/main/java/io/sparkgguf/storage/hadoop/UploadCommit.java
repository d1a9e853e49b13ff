package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.RangeSink;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.fs.MultipartUploader;
import org.apache.hadoop.fs.PartHandle;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UploadHandle;
import org.apache.hadoop.util.functional.FutureIO;

/** Ranges are parts of one upload (Hadoop's MultipartUploader), put by tasks and joined by the store. */
abstract class UploadCommit implements FileCommit {
    final HadoopStorage storage;
    final long length;
    private final String target;
    private UploadHandle upload;

    UploadCommit(HadoopStorage storage, String target, long length) {
        this.storage = storage;
        this.target = target;
        this.length = length;
    }

    /** The name that the upload gives its file. */
    abstract String uploaded();

    /** Whether the store still has it. */
    abstract boolean isOpen(UploadHandle found) throws IOException;

    /** How many numbers parts may have, from 1. */
    abstract int numbers(int ranges);

    /** Whether a task holds a range in memory. */
    abstract boolean holdsRanges();

    @Override
    public final String target() {
        return target;
    }

    @Override
    public final long memory(long range) {
        return holdsRanges() ? range : HadoopStorage.BUFFER;
    }

    @Override
    public boolean begin(String earlier) throws IOException {
        storage.requireFileName(target);
        if (earlier != null) {
            UploadHandle found = UploadHandles.parse(earlier);
            if (isOpen(found)) {
                upload = found;
                return true;
            }
        }
        Path path = storage.qualified(uploaded());
        try (MultipartUploader uploader = storage.uploader(path)) {
            upload = FutureIO.awaitFuture(uploader.startUpload(path));
        } catch (IOException e) {
            throw HadoopStorage.failure("write", target, e);
        }
        return false;
    }

    @Override
    public final String handle() {
        return UploadHandles.text(upload);
    }

    @Override
    public final RangeSink sink(int ranges) {
        return new PartSink(storage, uploaded(), handle(), ranges, numbers(ranges), holdsRanges());
    }

    final UploadHandle upload() {
        return upload;
    }

    /** Joins the parts: the uploaded file is there when this returns. */
    final void complete(List<String> receipts) throws IOException {
        Map<Integer, PartHandle> parts = new TreeMap<>();
        for (String receipt : receipts) {
            PartReceipt part = PartReceipt.parse(receipt);
            parts.put(part.number(), part.handle());
        }
        Path path = storage.qualified(uploaded());
        try (MultipartUploader uploader = storage.uploader(path)) {
            FutureIO.awaitFuture(uploader.complete(upload, path, parts));
        }
        upload = null;
    }

    @Override
    public void abort() throws IOException {
        if (upload != null) {
            UploadHandle open = upload;
            upload = null;
            abort(storage, uploaded(), open);
        }
    }

    static void abort(HadoopStorage storage, String file, UploadHandle open) throws IOException {
        Path path = storage.qualified(file);
        try (MultipartUploader uploader = storage.uploader(path)) {
            FutureIO.awaitFuture(uploader.abort(open, path));
        } catch (java.io.FileNotFoundException e) {
            return; // it is gone already
        } catch (IOException e) {
            throw HadoopStorage.failure("abort the upload of", file, e);
        }
    }
}
