package io.sparkgguf.plan;

/**
 * What a run is given.
 *
 * @param executors processes that run tasks
 * @param executorMemory bytes of heap of each
 * @param cores tasks that each runs at once where memory allows
 * @param driverMemory bytes of heap of the driver
 * @param bandwidth bytes a second that one task reads from, or writes to, storage
 */
public record Cluster(int executors, long executorMemory, int cores, long driverMemory, long bandwidth) {
    /** What Spark's own classes, buffers and threads take of a heap. */
    private static final long RESERVED = 160L << 20;

    /** Share of the rest that large arrays can fill: the collector needs room to move. */
    private static final double FILLED = 0.8;

    public Cluster {
        if (executors < 1 || executorMemory < 1 || cores < 1 || driverMemory < 1 || bandwidth < 1) {
            throw new IllegalArgumentException("Cannot plan for " + executors + " executors of " + executorMemory
                    + " bytes and " + cores + " cores, a driver of " + driverMemory + " bytes, and " + bandwidth
                    + " bytes a second: all must be at least 1");
        }
    }

    /** Bytes that tasks may hold together in a heap of this size. */
    public static long usable(long heap) {
        return Math.max(0, (long) (FILLED * (heap - RESERVED)));
    }

    /** The least heap, in whole GiB, in which tasks may hold so much. */
    public static long heap(long held) {
        long gib = 1L << 30;
        return (long) Math.ceil((held / FILLED + RESERVED) / gib) * gib;
    }

    /** Tasks of this size that an executor runs at once; 0 when not even one fits. */
    public int atOnce(long memory) {
        return memory <= 0 ? cores : (int) Math.min(cores, usable(executorMemory) / memory);
    }

    /** The same over all executors. */
    long slots(long memory) {
        return (long) executors * atOnce(memory);
    }
}
