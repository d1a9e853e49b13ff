package io.sparkgguf.job.stage;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.Semaphore;

/**
 * Lets so many items be worked on at once in a process as its heap holds. On a cluster cores are shared out so that it
 * seldom waits; in an embedded Spark, and where executors come and go, it is what keeps memory.
 *
 * <p>First come, first served: a large item is not overtaken for ever by small ones.
 */
final class MemoryGate {
    /** For the heap of this process. */
    static final MemoryGate HERE =
            new MemoryGate(TaskHeap.usable(Runtime.getRuntime().maxMemory()));

    private final int size;
    private final Semaphore free;

    /** @param bytes that may be held at once */
    MemoryGate(long bytes) {
        size = (int) Math.max(1, Math.min(Integer.MAX_VALUE, bytes >> 20));
        free = new Semaphore(size, true);
    }

    /** What is done with memory in hand. */
    interface Step<R> {
        R run() throws IOException;
    }

    /**
     * Waits until so many bytes are free, and holds them while {@code step} runs. What is larger than all there is gets all
     * there is: it may fail, but alone.
     *
     * @throws InterruptedIOException when the task is cancelled before it begins
     */
    <R> R holding(long bytes, Step<R> step) throws IOException {
        int share = (int) Math.min(size, TaskHeap.mebibytes(Math.max(0, bytes)));
        try {
            free.acquire(share);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("Cannot go on: the task was cancelled");
        }
        try {
            return step.run();
        } finally {
            free.release(share);
        }
    }

    /** Bytes that are held now. */
    long held() {
        return (long) (size - free.availablePermits()) << 20;
    }

    /** Tasks that wait. */
    int waiting() {
        return free.getQueueLength();
    }
}
