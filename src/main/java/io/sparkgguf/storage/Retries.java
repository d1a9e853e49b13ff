package io.sparkgguf.storage;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Predicate;

/**
 * Tries again what failed for a passing reason, a bounded number of times. Waits in between, twice as long each time and
 * with jitter, so that many tasks that were turned away together do not come back together.
 *
 * @param attempts at the most, the first included
 * @param firstWait milliseconds before the second attempt, half of it to one and a half
 * @param longestWait milliseconds that a wait grows to
 */
public record Retries(int attempts, long firstWait, long longestWait) {
    private static final LongAdder RETRIED = new LongAdder();

    public Retries {
        if (attempts < 1 || firstWait < 0 || longestWait < firstWait) {
            throw new IllegalArgumentException(
                    "Cannot retry: " + attempts + " attempts, waits of " + firstWait + " to " + longestWait + " ms");
        }
    }

    /** What is tried. */
    public interface Attempt<R> {
        R run() throws IOException;
    }

    /** How often something was tried again in this process. */
    public static long count() {
        return RETRIED.sum();
    }

    /**
     * The result of the first attempt that succeeds.
     *
     * @param passing which failures may pass
     * @param explain the failure of the last attempt, in words of the caller
     * @throws IOException {@code explain}'s for a failure that does not pass, and for the last attempt's, which then says
     *     how often it was tried
     */
    public <R> R run(Predicate<IOException> passing, Explanation explain, Attempt<R> attempt) throws IOException {
        for (int tried = 1; ; tried++) {
            try {
                return attempt.run();
            } catch (IOException e) {
                if (tried >= attempts || !passing.test(e)) {
                    IOException told = explain.of(e);
                    throw tried == 1 ? told : new IOException(told.getMessage() + " (tried " + tried + " times)", e);
                }
                RETRIED.increment();
                await(tried);
            }
        }
    }

    /** Turns a failure into one line. */
    public interface Explanation {
        IOException of(IOException failure);
    }

    private void await(int tried) throws InterruptedIOException {
        long wait = Math.min(longestWait, firstWait << Math.min(tried - 1, 20));
        try {
            Thread.sleep(wait / 2 + ThreadLocalRandom.current().nextLong(wait + 1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("Cannot go on: the task was cancelled");
        }
    }
}
