package io.sparkgguf.plan;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a whole run takes.
 *
 * @param stages in the order in which they run
 * @param driverMemory bytes of heap that the driver holds at its peak
 * @param workBytes bytes that the work folder holds at the most
 * @param resultBytes bytes that tasks tell the driver, over all stages; nothing goes from executor to executor
 */
public record RunCost(List<StageCost> stages, long driverMemory, long workBytes, long resultBytes) {
    private static final long MIB = 1L << 20;
    private static final String ASSEMBLE = "assemble";

    /** The driver's own classes and Spark's, and what reading a checkpoint's small files leaves behind. */
    private static final long DRIVER_BASE = 192 * MIB;

    /** What a byte of the header becomes while metadata is read, checked and written. */
    private static final int DRIVER_PER_HEADER_BYTE = 16;

    /** A unit, what its task tells, and its places in the output. */
    private static final long DRIVER_PER_UNIT = 5 << 10;

    /** What a task tells of a unit: a digest and sums without rounding. */
    public static final long RESULT_BYTES = 2600;

    /** Bytes of a range of the output that one task writes. */
    private static final long RANGE = 64 * MIB;

    /** Buffers of tasks that copy and check. */
    private static final long BUFFERS = 8 * MIB;

    public RunCost {
        stages = List.copyOf(stages);
    }

    /**
     * A run that rounds its units, puts them together and checks the result.
     *
     * @param inPlace whether units are written where they belong in the output, so that nothing is left to put together
     */
    public static RunCost of(Plan plan, boolean inPlace) {
        StageCost quantize = StageCost.of("quantize");
        for (WorkUnit unit : plan.units()) {
            quantize = quantize.with(unit.cost(), unit.memory(), unit.sourceBytes(), unit.bytes());
        }
        RunCost cost = of(plan, List.of(quantize), 0, 0, 0);
        if (!inPlace) {
            return cost;
        }
        List<StageCost> stages = new ArrayList<>(cost.stages);
        stages.removeIf(stage -> stage.kind().equals(ASSEMBLE));
        return new RunCost(stages, cost.driverMemory, 0, cost.resultBytes);
    }

    /**
     * The same with other stages before the output is put together.
     *
     * @param more bytes that the work folder holds beside parts, at the most
     * @param driver bytes that the driver holds besides
     * @param results bytes that tasks of these stages tell beside what they tell of units
     */
    public static RunCost of(Plan plan, List<StageCost> first, long more, long driver, long results) {
        List<StageCost> stages = new ArrayList<>(first);
        StageCost assemble = StageCost.of(ASSEMBLE);
        long headers = 0;
        for (OutputFile file : plan.files()) {
            long ranges = (file.length() + RANGE - 1) / RANGE;
            long bytes = file.length() / Math.max(1, ranges);
            assemble = assemble.with(ranges, CostModel.fileSeconds(2 * bytes) + hashing(bytes), BUFFERS, bytes, bytes);
            headers += file.header().length;
        }
        stages.add(assemble);
        StageCost validate = StageCost.of("validate");
        for (PlannedTensor tensor : plan.tensors()) {
            long bytes = tensor.bytes();
            validate = validate.with(CostModel.fileSeconds(bytes) + hashing(2 * bytes), BUFFERS, bytes, 0);
        }
        stages.add(validate);
        long units = plan.units().size();
        return new RunCost(
                stages,
                DRIVER_BASE + DRIVER_PER_HEADER_BYTE * headers + DRIVER_PER_UNIT * units + driver,
                plan.tensorBytes() + more,
                RESULT_BYTES * units + results);
    }

    private static double hashing(long bytes) {
        return bytes / CostModel.DIGEST_RATE;
    }

    /** All stages of a kind taken together. */
    public record Kind(StageCost sum, int stages, double criticalSeconds) {}

    /** The kinds of stages, in the order in which they first come. */
    public Map<String, Kind> kinds() {
        Map<String, Kind> kinds = new LinkedHashMap<>();
        for (StageCost stage : stages) {
            if (stage.tasks() > 0) {
                kinds.merge(
                        stage.kind(),
                        new Kind(stage, 1, stage.longestSeconds()),
                        (a, b) ->
                                new Kind(a.sum.and(b.sum), a.stages + b.stages, a.criticalSeconds + b.criticalSeconds));
            }
        }
        return kinds;
    }

    /** Seconds of one core, over all stages. */
    public double coreSeconds() {
        return stages.stream().mapToDouble(StageCost::coreSeconds).sum();
    }

    /** The critical path: seconds that any number of cores takes, one task of each stage after the other. */
    public double criticalSeconds() {
        return stages.stream().mapToDouble(StageCost::longestSeconds).sum();
    }

    /** Estimated seconds on a cluster, start-up aside. */
    public double seconds(Capacity cluster) {
        return stages.stream().mapToDouble(stage -> stage.seconds(cluster)).sum();
    }

    /** The same for the stages of one kind. */
    public double seconds(Capacity cluster, String kind) {
        return stages.stream()
                .filter(stage -> stage.kind().equals(kind))
                .mapToDouble(stage -> stage.seconds(cluster))
                .sum();
    }
}
