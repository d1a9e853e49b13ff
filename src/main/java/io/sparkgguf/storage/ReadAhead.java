package io.sparkgguf.storage;

import java.io.Closeable;
import java.io.IOException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/**
 * Reads the next piece while its user works on the one before. Pieces come in order, in two arrays that take turns.
 */
public final class ReadAhead implements Closeable {
    private static final byte[] END = new byte[0];

    private final BlockingQueue<byte[]> free = new ArrayBlockingQueue<>(2);
    private final BlockingQueue<byte[]> filled = new ArrayBlockingQueue<>(3);
    private final SideThread thread;
    private byte[] current;

    /** Where pieces come from. */
    public interface Source {
        /** Puts a piece into the array, from its start. */
        void read(byte[] into) throws IOException;
    }

    /**
     * Begins to read.
     *
     * @param pieces how many there are
     * @param first and {@code second} that nobody else uses before this is closed
     */
    public ReadAhead(int pieces, byte[] first, byte[] second, Source source) {
        free.add(first);
        free.add(second);
        thread = new SideThread(
                "read ahead",
                () -> {
                    for (int i = 0; i < pieces; i++) {
                        byte[] into = free.take();
                        source.read(into);
                        filled.add(into);
                    }
                },
                () -> filled.add(END));
    }

    /**
     * The next piece, in an array that is its user's until the next call.
     *
     * @throws IOException that reading it failed with
     * @throws IllegalStateException after the last one
     */
    public byte[] next() throws IOException {
        if (current != null) {
            free.add(current);
            current = null;
        }
        byte[] next;
        try {
            next = filled.take();
        } catch (InterruptedException e) {
            throw SideThread.interrupted();
        }
        if (next == END) {
            thread.requireNoFailure();
            throw new IllegalStateException("Cannot read on: there are no more pieces");
        }
        return current = next;
    }

    @Override
    public void close() {
        thread.close();
    }
}
