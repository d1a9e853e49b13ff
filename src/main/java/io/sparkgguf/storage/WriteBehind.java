package io.sparkgguf.storage;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/**
 * Writes a range of a file while its user makes the next bytes, and brings it to disk as it goes: there is little to wait
 * for at the end. Holds three buffers.
 */
public final class WriteBehind extends OutputStream {
    private static final int BUFFERS = 3;
    private static final int BUFFER_BYTES = 1 << 18;

    /** After so many bytes they are brought to disk. */
    private static final long FORCED_BYTES = 8L << 20;

    private final RangeWriter file;
    private final BlockingQueue<Filled> free = new ArrayBlockingQueue<>(BUFFERS);
    private final BlockingQueue<Filled> filled = new ArrayBlockingQueue<>(BUFFERS + 1);
    private final SideThread thread;
    private Filled current;
    private boolean closed;

    /** A buffer; its first {@code count} bytes are to be written. */
    private static final class Filled {
        private final byte[] bytes;
        private int count;

        Filled(int bytes) {
            this.bytes = new byte[bytes];
        }
    }

    /**
     * @param file that is closed with this
     * @param offset of the first byte in the file
     * @param expected how many bytes there will be about, for the size of buffers
     */
    public WriteBehind(RangeWriter file, long offset, long expected) {
        this.file = file;
        for (int i = 0; i < BUFFERS; i++) {
            free.add(new Filled(bufferBytes(expected)));
        }
        thread = new SideThread("write behind", () -> write(offset), () -> {
            Filled none = new Filled(0);
            while (free.offer(none)) { // nobody waits for a buffer of a thread that is gone
                Thread.onSpinWait();
            }
        });
    }

    /** Bytes of memory for a range of so many bytes. */
    public static long memory(long expected) {
        return (long) BUFFERS * bufferBytes(expected);
    }

    /** No more in all than there is to write. */
    private static int bufferBytes(long expected) {
        return (int) Math.max(1, Math.min(BUFFER_BYTES, (expected + BUFFERS - 1) / BUFFERS));
    }

    private void write(long offset) throws IOException, InterruptedException {
        long at = offset;
        long unforced = 0;
        for (Filled next = filled.take(); next.count > 0; next = filled.take()) {
            file.write(at, next.bytes, 0, next.count);
            at += next.count;
            unforced += next.count;
            free.add(next);
            if (unforced >= FORCED_BYTES) {
                file.force();
                unforced = 0;
            }
        }
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] from, int at, int count) throws IOException {
        Objects.checkFromIndexSize(at, count, from.length);
        int done = 0;
        while (done < count) {
            if (current == null) {
                current = taken();
            }
            int more = Math.min(count - done, current.bytes.length - current.count);
            System.arraycopy(from, at + done, current.bytes, current.count, more);
            current.count += more;
            done += more;
            if (current.count == current.bytes.length) {
                give();
            }
        }
    }

    private Filled taken() throws IOException {
        try {
            Filled buffer = free.take();
            thread.requireNoFailure();
            buffer.count = 0;
            return buffer;
        } catch (InterruptedException e) {
            throw SideThread.interrupted();
        }
    }

    private void give() {
        filled.add(current);
        current = null;
    }

    /** Returns when all bytes are written; closing brings the last of them to disk. */
    public void finish() throws IOException {
        if (current != null) {
            give();
        }
        filled.add(new Filled(0));
        thread.join();
    }

    /** Ends the writing where it is, unless it was finished, and closes the file. */
    @Override
    public void close() throws IOException {
        if (!closed) {
            closed = true;
            thread.close();
            file.close();
        }
    }
}
