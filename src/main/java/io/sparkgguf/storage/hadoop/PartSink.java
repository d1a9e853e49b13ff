package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.RangeContent;
import io.sparkgguf.storage.RangeSink;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.hadoop.fs.MultipartUploader;
import org.apache.hadoop.fs.PartHandle;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.functional.FutureIO;

/**
 * Puts ranges as parts of an upload.
 *
 * <p>A part's number gives its place, and where parts are files, its name too. There each attempt takes a number of its
 * own from the share of its range: a retry, a speculative copy and a task that nobody waits for any more do not write
 * the same file, and what is left over is dropped with the upload.
 *
 * @param file what is uploaded
 * @param upload the upload's handle
 * @param ranges of the file
 * @param numbers how many parts may have, from 1
 * @param whole whether a range is held in memory, so that it is known to be right before the first byte is sent, and can
 *     be sent again
 */
record PartSink(HadoopStorage storage, String file, String upload, int ranges, int numbers, boolean whole)
        implements RangeSink {

    @Override
    public String write(int index, long offset, boolean last, RangeContent content) throws IOException {
        Path path = storage.qualified(file);
        int share = numbers / ranges;
        int number = index * share + ThreadLocalRandom.current().nextInt(share) + 1;
        try (MultipartUploader uploader = storage.uploader(path);
                InputStream in = whole ? held(content) : content.open()) {
            PartHandle part = FutureIO.awaitFuture(
                    uploader.putPart(UploadHandles.parse(upload), number, last, path, in, content.length()));
            return new PartReceipt(number, content.length(), part).text();
        } catch (IOException e) {
            throw HadoopStorage.failure("write part " + (index + 1) + " of " + ranges + " of", file, e);
        }
    }

    private InputStream held(RangeContent content) throws IOException {
        try (InputStream in = content.open()) {
            byte[] bytes = new byte[Math.toIntExact(content.length())];
            int read = in.readNBytes(bytes, 0, bytes.length);
            if (read < bytes.length) {
                throw new EOFException("the range ends after " + read + " of " + bytes.length + " bytes");
            }
            if (in.read() >= 0) { // what checks the bytes speaks up at their end
                throw new IOException("the range goes on behind its " + bytes.length + " bytes");
            }
            return new ByteArrayInputStream(bytes);
        }
    }
}
