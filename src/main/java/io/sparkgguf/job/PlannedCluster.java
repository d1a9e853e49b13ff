package io.sparkgguf.job;

import io.sparkgguf.job.stage.TaskHeap;
import io.sparkgguf.plan.Capacity;
import io.sparkgguf.plan.RunCost;
import io.sparkgguf.tensor.InvalidInputException;

/**
 * A cluster that a run is planned for; nothing is asked of it.
 *
 * @param executors processes that run tasks
 * @param executorMemory bytes of heap of each
 * @param cores of each
 * @param driverMemory bytes of heap of the driver
 * @param bandwidth bytes a second that one task reads from, or writes to, storage
 */
public record PlannedCluster(int executors, long executorMemory, int cores, long driverMemory, long bandwidth)
        implements Capacity {
    private static final long MIB = 1L << 20;

    public PlannedCluster {
        if (executors < 1 || executorMemory < 1 || cores < 1 || driverMemory < 1 || bandwidth < 1) {
            throw new InvalidInputException("Cannot plan for " + executors + " executors of " + executorMemory
                    + " bytes and " + cores + " cores, a driver of " + driverMemory + " bytes, and " + bandwidth
                    + " bytes a second: all must be at least 1");
        }
    }

    /** Tasks of this size that an executor runs at once; 0 when not even one fits. */
    int atOnce(long memory) {
        return memory > TaskHeap.usable(executorMemory)
                ? 0
                : cores / TaskHeap.coresPerTask(executorMemory, cores, 1, memory);
    }

    @Override
    public long slots(long memory) {
        return (long) executors * atOnce(memory);
    }

    /**
     * Refuses a cluster on which a task, or the driver, would run out of memory.
     *
     * @throws InvalidInputException with what would do
     */
    public void require(RunCost cost) {
        cost.kinds().forEach((kind, of) -> {
            long memory = of.sum().memory();
            if (atOnce(memory) < 1) {
                throw new InvalidInputException(
                        tooSmall("executors", executorMemory, "a task of " + kind, memory, "--executor-memory")
                                + smaller(kind));
            }
        });
        if (cost.driverMemory() > TaskHeap.usable(driverMemory)) {
            throw new InvalidInputException(
                    tooSmall("a driver", driverMemory, "it", cost.driverMemory(), "--driver-memory"));
        }
    }

    private static String tooSmall(String what, long heap, String who, long memory, String option) {
        return "Cannot run on %s of %,d MiB: %s holds %,d MiB, of such a heap %,d MiB can be held; use %s %dm or more"
                .formatted(
                        what,
                        heap / MIB,
                        who,
                        (memory + MIB - 1) / MIB,
                        TaskHeap.usable(heap) / MIB,
                        option,
                        TaskHeap.heapFor(memory) / MIB);
    }

    private static String smaller(String kind) {
        return switch (kind) {
            case "quantize", "round" -> ", or a smaller --unit-memory";
            case "solve" -> ", or a smaller --solve-memory";
            case "hessians", "factors" -> ", or a smaller --hessian-memory";
            case "train" -> ", or --qat-spread sequences";
            case "gradients" -> ", or a shorter --sequence-length";
            default -> "";
        };
    }
}
