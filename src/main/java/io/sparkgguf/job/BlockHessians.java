package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** Sees the inputs of a block's layers, shard by shard, sums them up to Hessians, a block of tiles each, and has these factored. */
final class BlockHessians {
    private final BlockStages stages;
    private final CalibrationPlan calibration;
    private final CalibrationFolder folder;
    private final Storage storage;
    private final Journal journal;
    private final CalibrationPlan.Block block;
    private final int index;
    private final List<LinearInput> inputs;
    private final HessianTasks hessians;
    private final Map<LinearInput, TileGrid> grids = new EnumMap<>(LinearInput.class);

    /** @param inputs those that are seen in one pass */
    BlockHessians(BlockStages stages, CalibrationPlan.Block block, List<LinearInput> inputs) {
        this.stages = stages;
        this.calibration = stages.calibration();
        this.folder = calibration.folder();
        this.storage = stages.storage();
        this.journal = stages.journal();
        this.block = block;
        this.index = block.index();
        this.inputs = inputs;
        hessians = tasks(stages, index);
        inputs.forEach(input -> grids.put(input, calibration.grid(block.inputs().get(input))));
    }

    /** What tasks do with the Hessians of a block. */
    static HessianTasks tasks(BlockStages stages, int block) {
        CalibrationSettings asked = stages.calibration().settings();
        return new HessianTasks(stages.storage(), stages.calibration().folder(), block, asked.gptq(), asked.work());
    }

    /**
     * What was seen.
     *
     * @param factored by input; null when there is none
     * @param nonFinite a shard with an activation that is no finite number, or null
     */
    record Seen(List<HessianTasks.Factored> factored, ShardTasks.Outcome nonFinite) {}

    /** Moved states may have been written by any pass over a block; each has a name of its own. */
    private static String pass(BlockStages stages, int block, LinearInput first) {
        return stages.name(block, "inputs from " + label(first));
    }

    private static String label(LinearInput input) {
        return input.name().toLowerCase(Locale.ROOT);
    }

    private String name(String what) {
        return stages.name(index, what);
    }

    private String key(String what) {
        return name(what + " from " + label(inputs.get(0)));
    }

    private Stream<String> labels() {
        return inputs.stream().map(BlockHessians::label);
    }

    /** Takes back what is known of passes over a block. */
    static void forgetMoved(BlockStages stages, int block) throws IOException {
        for (LinearInput input : LinearInput.values()) {
            stages.journal().forget(pass(stages, block, input));
        }
    }

    /**
     * Does it, as far as it is not done.
     *
     * @param done tensors of the block that are quantized already
     * @param keep what the pass over the block writes besides
     */
    Seen see(List<Integer> done, ShardTasks.Keep keep) throws IOException {
        storage.createFolder(folder.block(storage, index));
        List<HessianTasks.FactorItem> factors = new ArrayList<>();
        boolean held = calibration.tokens().heldOut().count() > 0;
        for (LinearInput input : inputs) {
            boolean solved = isSolved(input);
            for (boolean heldOut : solved && held ? new boolean[] {false, true} : new boolean[] {false}) {
                storage.createFolder(folder.hessian(storage, index, input, heldOut));
                if (isPaired(input)) {
                    storage.createFolder(folder.delta(storage, index, input, heldOut));
                }
            }
            storage.createFolder(folder.factor(storage, index, input));
            factors.add(new HessianTasks.FactorItem(
                    input, grids.get(input), calibration.tokens().counted(false), solved, held, isPaired(input)));
        }
        FactorStages rounds = new FactorStages(hessians, name("factors"), new Runner());
        if (!rounds.isDone(factors)) {
            ShardTasks.Outcome nonFinite = sums(done, keep);
            if (nonFinite != null) {
                return new Seen(null, nonFinite);
            }
        }
        return new Seen(rounds.run(factors), null);
    }

    private boolean isSolved(LinearInput input) {
        return !block.inputs().get(input).solved().isEmpty();
    }

    private boolean isPaired(LinearInput input) {
        return isSolved(input) && calibration.corrects();
    }

    /** Makes the Hessians; not null when an activation is no finite number. */
    private ShardTasks.Outcome sums(List<Integer> done, ShardTasks.Keep keep) throws IOException {
        String sums = key("Hessians");
        List<GramTasks.Item> items =
                calibration.sums(inputs.stream().map(block.inputs()::get).toList());
        if (!journal.knowsAll(sums, items.stream().map(GramTasks.Item::label).toList())) {
            forgetWithoutInputs();
        }
        storage.createFolder(folder.inputs(storage, index));
        GramTasks grams = new GramTasks(hessians, folder, index, grids, calibration.corrects(), calibration.shards());
        for (ShardTasks.Outcome outcome : pass(done, keep, grams)) {
            if (outcome.nonFinite() != null) {
                return outcome;
            }
        }
        int shards = calibration.shards().size();
        stages.run(
                "hessians",
                sums,
                Stage.of(name("Hessians"), items, Noted.of(grams::run))
                        .describe(TensorNames.behind(name("Hessians of"), labels()))
                        .cost(GramTasks.Item::operations)
                        .size(item -> item.bytes(shards)),
                GramTasks.Item::label,
                Long.class);
        // They are in the sums now. Should a sum be lost, all shards do their part again.
        journal.releaseFiles(pass(stages, index, inputs.get(0)), folder.inputs(storage, index));
        storage.delete(folder.inputs(storage, index));
        return null;
    }

    /** A shard whose inputs are wanted once more, and went when they were summed up, has to write them again. */
    private void forgetWithoutInputs() throws IOException {
        Set<String> known = journal.fileNames();
        for (Shard shard : calibration.shards()) {
            if (!known.contains(folder.inputs(storage, index, inputs.get(0), shard))) {
                journal.forget(pass(stages, index, inputs.get(0)), BlockStages.item(shard));
            }
        }
    }

    private List<ShardTasks.Outcome> pass(List<Integer> done, ShardTasks.Keep keep, GramTasks grams)
            throws IOException {
        ShardTasks tasks = stages.tasks(done.isEmpty() ? null : stages.propagated(done));
        int at = index; // what a task takes along
        Stage.Task<Shard, ShardTasks.Outcome> task = at == calibration.config().blocks()
                ? shard -> tasks.headInputs(grams.file(shard))
                : shard -> tasks.inputs(at, grams.file(shard), keep);
        return stages.shards("inputs", name("inputs"), pass(stages, at, inputs.get(0)), calibration.shards(), task);
    }

    /** Factors with the journal's memory. */
    private final class Runner implements FactorStages.Runner {
        @Override
        public List<FactorTasks.Done> run(
                String name, String description, List<FactorTasks.Item> items, FactorTasks tasks) throws IOException {
            return stages.run(
                    "factors",
                    key("factors"),
                    Stage.of(name, items, Noted.of(tasks::run))
                            .describe(description)
                            .cost(tasks::cost)
                            .size(FactorTasks::size),
                    FactorTasks.Item::label,
                    FactorTasks.Done.class);
        }

        @Override
        public FactorTasks.Done known(FactorTasks.Item item) {
            return journal.known(key("factors"), item.label(), FactorTasks.Done.class);
        }

        @Override
        public void forget(List<FactorTasks.Item> items) throws IOException {
            for (FactorTasks.Item item : items) {
                journal.forget(key("factors"), item.label());
            }
            journal.flush();
        }

        @Override
        public void release(String folder) throws IOException {
            journal.releaseFiles(key("factors"), folder);
        }
    }

    /** Removes all that was made for the block but moved states; its tensors are done. */
    void release() throws IOException {
        journal.forget(key("Hessians"));
        journal.forget(key("factors"));
        journal.releaseFiles(pass(stages, index, inputs.get(0)), folder.block(storage, index));
        storage.delete(folder.block(storage, index));
    }
}
