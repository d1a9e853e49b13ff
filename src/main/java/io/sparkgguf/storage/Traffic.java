package io.sparkgguf.storage;

import java.util.concurrent.atomic.LongAdder;

/**
 * Bytes that went to and from this machine's files; Hadoop counts those of its file systems itself.
 *
 * @param read from files
 * @param written to files
 */
public record Traffic(long read, long written) {
    private static final LongAdder READ = new LongAdder();
    private static final LongAdder WRITTEN = new LongAdder();
    private static final ThreadLocal<long[]> OF_THREAD = ThreadLocal.withInitial(() -> new long[2]);

    /** Of all threads of this process since it began. */
    public static Traffic ofProcess() {
        return new Traffic(READ.sum(), WRITTEN.sum());
    }

    /** Of the calling thread since it began. */
    public static Traffic ofThread() {
        long[] own = OF_THREAD.get();
        return new Traffic(own[0], own[1]);
    }

    static void countRead(long bytes) {
        READ.add(bytes);
        OF_THREAD.get()[0] += bytes;
    }

    static void countWritten(long bytes) {
        WRITTEN.add(bytes);
        OF_THREAD.get()[1] += bytes;
    }
}
