package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.ReadRange;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.storage.Traffic;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.EOFException;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import org.apache.hadoop.fs.FSDataInputStream;

/**
 * One open file of a Hadoop file system, read by position; Hadoop promises that such reads may run side by side. A stream
 * that fails is closed and opened again, a bounded number of times, and only while the file is the one that it was.
 */
final class HadoopReader implements RangeReader {
    private final StreamOpener opener;
    private final FileStatus status;
    private FSDataInputStream stream;
    private boolean closed;

    private HadoopReader(StreamOpener opener, StreamOpener.Opened opened) {
        this.opener = opener;
        this.status = opened.status();
        this.stream = opened.stream();
    }

    /** @param expected what the file must be; null for whatever is there */
    static HadoopReader open(StreamOpener opener, FileStatus expected) throws IOException {
        return new HadoopReader(opener, opener.retried(() -> opener.open(expected)));
    }

    @Override
    public String file() {
        return opener.file();
    }

    @Override
    public long length() {
        return status.length();
    }

    @Override
    public void readFully(long offset, byte[] into, int at, int count) throws IOException {
        Objects.checkFromIndexSize(at, count, into.length);
        requireInside(offset, count);
        retried(in -> in.readFully(offset, into, at, count));
        Traffic.countRead(count);
    }

    @Override
    public void readRanges(List<ReadRange> ranges) throws IOException {
        for (ReadRange range : ranges) {
            requireInside(range.offset(), range.count());
        }
        for (List<ReadRange> batch : VectoredReads.batches(ranges)) {
            retried(in -> VectoredReads.read(in, batch));
        }
        Traffic.countRead(ranges.stream().mapToLong(ReadRange::count).sum());
    }

    private void requireInside(long offset, int count) throws EOFException {
        if (offset < 0 || offset > length() - count) {
            throw new EOFException("Cannot read " + count + " bytes from byte " + offset + " of " + file()
                    + ": the file has " + length() + " bytes");
        }
    }

    private interface Reading {
        void read(FSDataInputStream in) throws IOException;
    }

    private void retried(Reading reading) throws IOException {
        opener.retried(() -> {
            FSDataInputStream in = current();
            try {
                reading.read(in);
            } catch (IOException | RuntimeException e) {
                if (!drop(in)) {
                    throw new IOException("its stream was closed when another read failed");
                }
                if (PassingFailures.isChange(e)) {
                    throw new InvalidInputException(
                            "Cannot use " + file() + ": it was changed while the run was reading it", e);
                }
                throw e;
            }
            return null;
        });
    }

    private synchronized FSDataInputStream current() throws IOException {
        if (closed) {
            throw new IllegalStateException("Cannot read " + file() + ": it was closed");
        }
        if (stream == null) {
            stream = opener.open(status).stream();
        }
        return stream;
    }

    /** Closes a stream that failed; false when another thread, whose read failed before, has done so. */
    private synchronized boolean drop(FSDataInputStream failed) {
        if (stream != failed) {
            return false;
        }
        stream = null;
        try {
            failed.close();
        } catch (IOException e) {
            return true; // it was broken already
        }
        return true;
    }

    @Override
    public synchronized void close() throws IOException {
        closed = true;
        if (stream != null) {
            stream.close();
            stream = null;
        }
    }
}
