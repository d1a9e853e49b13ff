package io.sparkgguf.plan;

/**
 * What one stage of a run takes: tasks that can all run at once, before the next stage begins.
 *
 * @param kind what its tasks do, for example {@code quantize}; many stages of a calibrated run are of one kind
 * @param tasks how many there are
 * @param coreSeconds of one core, over all tasks
 * @param longestSeconds of one core, for the longest task
 * @param memory bytes that the largest task holds
 * @param read bytes that tasks read from storage
 * @param written bytes that tasks write to storage
 * @param longestBytes bytes that the task reads and writes that moves most
 */
public record StageCost(
        String kind,
        long tasks,
        double coreSeconds,
        double longestSeconds,
        long memory,
        long read,
        long written,
        long longestBytes) {

    /** A stage without tasks yet. */
    public static StageCost of(String kind) {
        return new StageCost(kind, 0, 0, 0, 0, 0, 0, 0);
    }

    /** The stage with one more task. */
    public StageCost with(double seconds, long bytes, long reads, long writes) {
        return with(1, seconds, bytes, reads, writes);
    }

    /** The stage with {@code count} more tasks of the same size. */
    public StageCost with(long count, double seconds, long bytes, long reads, long writes) {
        return and(new StageCost(
                kind,
                count,
                count * seconds,
                count == 0 ? 0 : seconds,
                count == 0 ? 0 : bytes,
                count * reads,
                count * writes,
                count == 0 ? 0 : reads + writes));
    }

    /** One stage with the tasks of both. */
    public StageCost and(StageCost other) {
        return new StageCost(
                kind,
                tasks + other.tasks,
                coreSeconds + other.coreSeconds,
                Math.max(longestSeconds, other.longestSeconds),
                Math.max(memory, other.memory),
                Math.addExact(read, other.read),
                Math.addExact(written, other.written),
                Math.max(longestBytes, other.longestBytes));
    }

    /**
     * Seconds from its begin to its end. Tasks read, compute and write one after the other; the costliest begin first, so
     * that what is left in the end is about one task of the usual size, or one that is longer than all else.
     */
    double seconds(Capacity cluster) {
        if (tasks == 0) {
            return 0;
        }
        double all = coreSeconds + (double) (read + written) / cluster.bandwidth();
        double longest = longestSeconds + (double) longestBytes / cluster.bandwidth();
        long slots = Math.max(1, cluster.slots(memory));
        double rounds = Math.ceil((double) tasks / slots);
        return Math.max(longest, rounds * all / tasks);
    }
}
