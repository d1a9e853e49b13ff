package io.sparkgguf.storage;

import java.util.concurrent.atomic.LongAdder;

/**
 * Bytes that went to and from files: all that is read, and what is written to this machine's files; what is written to
 * Hadoop's file systems they count themselves.
 *
 * @param read from files
 * @param written to files
 */
public record Traffic(long read, long written) {
    private static final Counters PROCESS = new Counters();
    private static final ThreadLocal<Counters> OF_THREAD = ThreadLocal.withInitial(Counters::new);

    private static final class Counters {
        private final LongAdder read = new LongAdder();
        private final LongAdder written = new LongAdder();

        Traffic now() {
            return new Traffic(read.sum(), written.sum());
        }
    }

    /** Of all threads of this process since it began. */
    public static Traffic ofProcess() {
        return PROCESS.now();
    }

    /** Of the calling thread since it began, and of those that work for it. */
    public static Traffic ofThread() {
        return OF_THREAD.get().now();
    }

    /** The same work, for another thread, whose reading and writing then counts as that of the calling one. */
    static Runnable ofCaller(Runnable work) {
        Counters own = OF_THREAD.get();
        return () -> {
            OF_THREAD.set(own);
            work.run();
        };
    }

    /** Counts what a reader of files has read. */
    public static void countRead(long bytes) {
        PROCESS.read.add(bytes);
        OF_THREAD.get().read.add(bytes);
    }

    static void countWritten(long bytes) {
        PROCESS.written.add(bytes);
        OF_THREAD.get().written.add(bytes);
    }
}
