package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;

/**
 * What a run would take. Nothing goes from executor to executor but through files, so there is no shuffle beside the work
 * folder.
 *
 * @param coreSeconds estimated time of one core
 * @param criticalSeconds estimated time with any number of cores: the longest task of each stage, one after the other
 * @param driverMemory bytes of heap that the driver holds at its peak
 * @param taskMemory bytes of heap that the largest task holds
 * @param readBytes bytes that all tasks read: source, work folder and output
 * @param writtenBytes bytes that all tasks write: work folder and output
 * @param workBytes bytes that the work folder holds at the most
 * @param resultBytes bytes that tasks tell the driver
 * @param stages by kind, in the order in which they first run
 * @param cluster what it would come to there, or null
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record CostReport(
        double coreSeconds,
        double criticalSeconds,
        long driverMemory,
        long taskMemory,
        long readBytes,
        long writtenBytes,
        long workBytes,
        long resultBytes,
        List<Stage> stages,
        Cluster cluster) {

    /**
     * Stages of a kind.
     *
     * @param stages how many there are: a calibrated run has some for each block
     * @param tasks of all of them
     * @param longestSeconds estimated time of the longest task
     * @param memory bytes of heap that the largest task holds
     * @param atOnce tasks that an executor of the cluster runs at once, or null
     * @param seconds estimated wall time on the cluster, or null
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Stage(
            String kind,
            int stages,
            long tasks,
            double coreSeconds,
            double criticalSeconds,
            double longestSeconds,
            long memory,
            long readBytes,
            long writtenBytes,
            Integer atOnce,
            Double seconds) {}

    /**
     * A cluster that was asked about.
     *
     * @param bandwidth bytes a second that one task reads or writes
     * @param seconds estimated wall time without start-up
     */
    public record Cluster(
            int executors, long executorMemory, int cores, long driverMemory, long bandwidth, double seconds) {}
}
