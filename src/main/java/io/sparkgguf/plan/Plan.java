package io.sparkgguf.plan;

import java.util.List;

/**
 * All that a run will do: the files, the tensors in their order, and the work.
 *
 * @param files one, or one for each split
 * @param tensors in file order, over all files
 * @param units in file order; a stage starts the costliest first
 */
public record Plan(List<OutputFile> files, List<PlannedTensor> tensors, List<WorkUnit> units) {
    public Plan {
        files = List.copyOf(files);
        tensors = List.copyOf(tensors);
        units = List.copyOf(units);
    }

    /** Weights of all tensors. */
    public long weights() {
        return tensors.stream().mapToLong(PlannedTensor::elements).sum();
    }

    /** Bytes of all tensors as they will be stored, without headers and padding. */
    public long tensorBytes() {
        return tensors.stream().mapToLong(PlannedTensor::bytes).sum();
    }

    /** Bytes of the files. */
    public long fileBytes() {
        return files.stream().mapToLong(OutputFile::length).sum();
    }

    /** Bytes that the units read from the checkpoint. */
    public long sourceBytes() {
        return units.stream().mapToLong(WorkUnit::sourceBytes).sum();
    }

    public double bitsPerWeight() {
        return weights() == 0 ? 0 : 8.0 * tensorBytes() / weights();
    }

    /** Bytes of memory of the largest unit. */
    public long peakUnitMemory() {
        return units.stream().mapToLong(WorkUnit::memory).max().orElse(0);
    }

    /** Estimated seconds of one core, over all units. */
    public double coreSeconds() {
        return units.stream().mapToDouble(WorkUnit::cost).sum();
    }
}
