package io.sparkgguf.cli;

import io.sparkgguf.job.PlannedCluster;
import picocli.CommandLine.Option;

/** A cluster to plan for. Nothing is asked of it. */
final class ClusterOptions {
    /** As conf/spark-defaults.conf has them. */
    private static final long EXECUTOR_MEMORY = 1L << 30;

    private static final long DRIVER_MEMORY = 2L << 30;

    @Option(
            names = {"--executors", "--num-executors"},
            paramLabel = "N",
            description = "Estimate the wall time on so many executors, and refuse them if they are too small.")
    Integer executors;

    @Option(
            names = "--executor-memory",
            paramLabel = "SIZE",
            converter = ByteSize.Heap.class,
            description = "Heap of an executor. Default: 1g.")
    Long executorMemory;

    @Option(names = "--executor-cores", paramLabel = "C", description = "Cores of an executor. Default: 1.")
    Integer executorCores;

    @Option(
            names = "--driver-memory",
            paramLabel = "SIZE",
            converter = ByteSize.Heap.class,
            description = "Heap of the driver. Default: 2g.")
    Long driverMemory;

    @Option(
            names = "--task-bandwidth",
            paramLabel = "SIZE",
            converter = ByteSize.Binary.class,
            defaultValue = "100m",
            description = "Bytes a second that one task reads from, or writes to, storage. Default: ${DEFAULT-VALUE},"
                    + " what an object store usually gives one connection.")
    long bandwidth;

    /** The cluster that was named, or null for none. */
    PlannedCluster cluster() {
        if (executors == null && executorMemory == null && executorCores == null && driverMemory == null) {
            return null;
        }
        return new PlannedCluster(
                executors == null ? 1 : executors,
                executorMemory == null ? EXECUTOR_MEMORY : executorMemory,
                executorCores == null ? 1 : executorCores,
                driverMemory == null ? DRIVER_MEMORY : driverMemory,
                bandwidth);
    }
}
