package io.sparkgguf.job.stage;

/**
 * How many tasks fit into the heap of a process that runs them. A quarter of it stays free, for Spark, for what the
 * garbage collector needs to work in, and for what a task does not count (headers, names, buffers of streams).
 */
public final class TaskHeap {
    private static final long MEBIBYTE = 1 << 20;

    /** Heaps are recommended in steps of this. */
    private static final long STEP = 256 * MEBIBYTE;

    private TaskHeap() {}

    /** Bytes of a heap that tasks may hold together. */
    public static long usable(long heap) {
        return heap - heap / 4;
    }

    /** The smallest heap, in whole steps of 256 MiB, in which a task may hold so many bytes. */
    public static long heapFor(long bytes) {
        long heap = (bytes + 2) / 3 * 4;
        return Math.max(1, (heap + STEP - 1) / STEP) * STEP;
    }

    /**
     * Cores that each task gets so that those which run at once in a process fit its heap.
     *
     * @param heap of the process
     * @param cores of the process
     * @param least cores that a task gets anyway
     * @param bytes that a task holds
     * @return between {@code least} and {@code cores}; all of them also when not even one fits
     */
    public static int coresPerTask(long heap, int cores, int least, long bytes) {
        long fitting = bytes <= 0 ? cores : Math.max(1, usable(heap) / bytes);
        long wanted = (cores + Math.min(fitting, cores) - 1) / Math.min(fitting, cores);
        return (int) Math.min(Math.max(1, cores), Math.max(least, wanted));
    }

    /** Bytes in MiB, rounded up, for people. */
    static long mebibytes(long bytes) {
        return (bytes + MEBIBYTE - 1) / MEBIBYTE;
    }
}
