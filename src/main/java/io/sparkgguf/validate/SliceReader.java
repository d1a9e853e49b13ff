package io.sparkgguf.validate;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import java.io.EOFException;
import java.io.IOException;

/** A tensor as it lies, or will lie, in its file, read from start to end from files of its slices. */
final class SliceReader implements RangeReader {
    private final Storage storage;
    private final TensorRange tensor;
    private int next;
    private long start;
    private RangeReader slice;

    private SliceReader(Storage storage, TensorRange tensor) {
        this.storage = storage;
        this.tensor = tensor;
        start = tensor.offset();
    }

    /** The tensor's file, or its slices in place of it. */
    static RangeReader open(Storage storage, TensorRange tensor) throws IOException {
        boolean apart = !tensor.expected().isEmpty() && tensor.expected().get(0).file() != null;
        return apart ? new SliceReader(storage, tensor) : storage.open(tensor.file());
    }

    @Override
    public String file() {
        return tensor.file();
    }

    @Override
    public long length() {
        return tensor.offset() + tensor.bytes();
    }

    /** Each read must begin where the last one ended or behind. */
    @Override
    public void readFully(long offset, byte[] into, int at, int count) throws IOException {
        for (int done = 0; done < count; ) {
            long position = offset + done;
            TensorRange.Slice found = sliceAt(position);
            int step = (int) Math.min(count - done, start + found.bytes() - position);
            slice.readFully(position - start, into, at + done, step);
            done += step;
        }
    }

    private TensorRange.Slice sliceAt(long position) throws IOException {
        while (next < tensor.expected().size()) {
            TensorRange.Slice found = tensor.expected().get(next);
            if (position < start + found.bytes()) {
                if (slice == null) {
                    slice = storage.open(found.file());
                }
                return found;
            }
            close();
            start += found.bytes();
            next++;
        }
        throw new EOFException("Cannot read " + tensor.file() + " at byte " + position + ": the slices of tensor "
                + tensor.name() + " end at byte " + start);
    }

    @Override
    public void close() throws IOException {
        if (slice != null) {
            slice.close();
            slice = null;
        }
    }
}
