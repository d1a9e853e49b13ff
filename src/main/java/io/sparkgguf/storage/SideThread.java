package io.sparkgguf.storage;

import java.io.IOException;
import java.io.InterruptedIOException;

/**
 * A thread that reads or writes for another one, which goes on meanwhile. What it reads and writes counts as the other's;
 * what it fails with is thrown to the other, as it is. Of one use: it ends with its work, or when it is closed.
 */
final class SideThread implements AutoCloseable {
    private final Thread thread;
    private volatile Throwable failure;

    /** What is done there. */
    interface Work {
        void run() throws IOException, InterruptedException;
    }

    /**
     * @param doing for the thread's name
     * @param atEnd done last, whether the work failed or not
     */
    SideThread(String doing, Work work, Runnable atEnd) {
        Runnable body = () -> {
            try {
                work.run();
            } catch (Throwable e) { // an error, too, is the other thread's
                failure = e;
            } finally {
                atEnd.run();
            }
        };
        thread = new Thread(Traffic.ofCaller(body), Thread.currentThread().getName() + ": " + doing);
        thread.setDaemon(true);
        thread.start();
    }

    /** Throws what the thread failed with, if it did. */
    void requireNoFailure() throws IOException {
        Throwable reason = failure;
        if (reason instanceof IOException io) {
            throw io;
        }
        if (reason instanceof RuntimeException unchecked) {
            throw unchecked;
        }
        if (reason instanceof Error error) {
            throw error;
        }
    }

    /** Waits for the end of the work, and throws what it failed with. */
    void join() throws IOException {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw interrupted();
        }
        requireNoFailure();
    }

    /** For a thread that was interrupted while it waited. */
    static InterruptedIOException interrupted() {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("Cannot go on: the task was cancelled");
    }

    /** Stops the work where it is and returns when it has stopped: what it used can then be used by others. */
    @Override
    public void close() {
        thread.interrupt();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
