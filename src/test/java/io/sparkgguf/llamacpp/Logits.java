package io.sparkgguf.llamacpp;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Logits in a temporary file of their own, which goes when this is closed: many sequences need not fit in memory. */
public final class Logits implements Closeable {
    private final FileChannel file;
    private final int sequences;
    private final int first;
    private final int end;
    private final int vocabulary;

    /** Takes over {@code file}: float32, row after row of the positions [first, end) of each sequence. */
    Logits(Path file, int sequences, int first, int end) throws IOException {
        this.file = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.DELETE_ON_CLOSE);
        this.sequences = sequences;
        this.first = first;
        this.end = end;
        long rows = (long) sequences * (end - first);
        long bytes = this.file.size();
        this.vocabulary = Math.toIntExact(bytes / Float.BYTES / rows);
        if (vocabulary == 0 || bytes != rows * vocabulary * Float.BYTES) {
            throw new IOException("Cannot read logits of " + rows + " positions: the file has " + bytes + " bytes");
        }
    }

    public int sequences() {
        return sequences;
    }

    /** The first position that has logits. */
    public int first() {
        return first;
    }

    /** Positions of each sequence, those before {@link #first()} included. */
    public int positions() {
        return end;
    }

    /** Tokens of the vocabulary, the length of a row. */
    public int vocabulary() {
        return vocabulary;
    }

    /** The logits of the token that follows this position, one for each token of the vocabulary. */
    public float[] row(int sequence, int position) throws IOException {
        if (sequence < 0 || sequence >= sequences || position < first || position >= end) {
            throw new IndexOutOfBoundsException("No logits of sequence " + sequence + ", position " + position);
        }
        ByteBuffer bytes = ByteBuffer.allocate(vocabulary * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long offset = ((long) sequence * (end - first) + (position - first)) * bytes.capacity();
        while (bytes.hasRemaining()) {
            if (file.read(bytes, offset + bytes.position()) < 0) {
                throw new EOFException("Cannot read logits: the file ends at " + file.size());
            }
        }
        float[] row = new float[vocabulary];
        bytes.flip().asFloatBuffer().get(row);
        return row;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
