package io.sparkgguf.job;

import io.sparkgguf.job.qat.TrainingTasks;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;

/** Cuts the blocks of trained layers into the parts of their units, and measures them against the checkpoint's weights. */
record TrainedUnits(Storage storage, String partFolder, String kind, boolean allowNonFinite) implements Serializable {

    /**
     * A unit of a trained tensor.
     *
     * @param blocks the file of all of the tensor's blocks
     * @param bytes of these
     */
    record Item(WorkUnit unit, String blocks, int bytes) implements Serializable {}

    /** Cuts units in a stage of this name, and has their parts stand for them from then on. */
    void cut(BlockStages stages, String stage, List<Item> items) throws IOException {
        stages.run(
                        "trained",
                        stage,
                        Stage.of(stage, items, Noted.of(this::run))
                                .describe(TensorNames.behind(
                                        stage,
                                        items.stream().map(item -> item.unit().name())))
                                .cost(item -> item.unit().elements())
                                .size(item ->
                                        item.unit().sourceBytes() + item.unit().bytes())
                                .memory(item -> item.unit().memory() + 2L * item.bytes()),
                        item -> Integer.toString(item.unit().id()),
                        SolveTask.Result.class)
                .forEach(result -> stages.results()[result.unit().unit()] = result.unit());
    }

    private SolveTask.Result run(Item item) throws IOException {
        long start = System.nanoTime();
        WorkUnit unit = item.unit();
        byte[] all = TrainingTasks.readBlocks(storage, item.blocks(), item.bytes());
        int at = Math.toIntExact(unit.target().bytes(unit.firstRow() * unit.columns()));
        int bytes = Math.toIntExact(unit.bytes());
        UnitChecks checks = new UnitChecks(unit, allowNonFinite);
        checks.blocks(all, at, 0, Math.toIntExact(unit.elements()), "train");
        ErrorStats error = new ErrorStats();
        long nonFinite = 0;
        long readNanos;
        try (SlabReader slabs = new SlabReader(storage, unit, true)) {
            float[] decoded = new float[slabs.maxWeights()];
            while (slabs.next()) {
                float[] weights = slabs.weights();
                nonFinite += checks.clean(weights, slabs.weightCount(), slabs.row());
                int from = at + Math.toIntExact(unit.target().bytes((long) slabs.row() * unit.columns()));
                BlockFormats.of(unit.target()).decode(all, from, slabs.weightCount(), decoded, 0);
                error.add(weights, 0, decoded, 0, slabs.rows(), unit.columns());
            }
            readNanos = slabs.readNanos();
        }
        long written = System.nanoTime();
        String part = WorkFolder.partName(unit.id(), kind);
        WholeFile.write(storage, storage.resolve(partFolder, part), out -> out.write(all, at, bytes));
        return new SolveTask.Result(
                new UnitResult(
                        unit.id(),
                        part,
                        Digest.of(all, at, bytes),
                        error,
                        nonFinite,
                        readNanos,
                        written - start - readNanos,
                        System.nanoTime() - written),
                null);
    }
}
