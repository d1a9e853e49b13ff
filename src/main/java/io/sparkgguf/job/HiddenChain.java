package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The hidden states before a block. They are made of those before the one in front of it, which go then; where these are
 * gone, from the tokens on, through the blocks that are quantized already: the same bytes.
 */
final class HiddenChain {
    private static final String EMBED = "start: embed";

    private final BlockStages stages;
    private final CalibrationPlan calibration;
    private final CalibrationFolder folder;
    private final Storage storage;
    private final Journal journal;
    private final List<CalibrationPlan.Block> blocks;
    private final List<Integer> start;

    /** @param start tensors that are of no block */
    HiddenChain(BlockStages stages, List<CalibrationPlan.Block> blocks, List<Integer> start) {
        this.stages = stages;
        this.calibration = stages.calibration();
        this.folder = calibration.folder();
        this.storage = stages.storage();
        this.journal = stages.journal();
        this.blocks = blocks;
        this.start = start;
    }

    /**
     * Sees to it that the states before a block are there, for all shards, and removes those before earlier ones.
     *
     * @return the outcome of a shard with an activation that is no finite number, if there is one: then they are not there
     */
    Optional<ShardTasks.Outcome> require(int block) throws IOException {
        storage.createFolder(folder.hidden(storage));
        if (calibration.corrects()) {
            storage.createFolder(folder.originalHidden(storage));
        }
        List<List<Shard>> now = lacking(block, false);
        List<List<Shard>> original = lacking(block, true);
        Optional<ShardTasks.Outcome> nonFinite = embed(now.get(0), original.get(0));
        for (int next = 1; next <= block && nonFinite.isEmpty(); next++) {
            int from = next - 1; // what a task takes along
            if (!now.get(next).isEmpty()) {
                ShardTasks tasks =
                        stages.tasks(stages.propagated(blocks.get(from).tensors()));
                nonFinite = first(stages.shards(
                        "propagate",
                        stages.name(from, "propagate"),
                        stages.name(from, "propagate"),
                        now.get(next),
                        shard -> tasks.propagate(from, shard)));
            }
            if (!original.get(next).isEmpty() && nonFinite.isEmpty()) {
                ShardTasks tasks = stages.tasks(null);
                nonFinite = first(stages.shards(
                        "propagate",
                        stages.name(from, "propagate original"),
                        stages.name(from, "propagate original"),
                        original.get(next),
                        shard -> tasks.propagateOriginal(from, shard)));
            }
            if (nonFinite.isEmpty()
                    && !(now.get(next).isEmpty() && original.get(next).isEmpty())) {
                release(from);
            }
        }
        if (nonFinite.isEmpty()) {
            releaseBefore(block);
        }
        return nonFinite;
    }

    private static Optional<ShardTasks.Outcome> first(List<ShardTasks.Outcome> outcomes) {
        return outcomes.stream().filter(outcome -> outcome.nonFinite() != null).findFirst();
    }

    private String file(int block, Shard shard, boolean original) {
        return original ? folder.originalHidden(storage, block, shard) : folder.hidden(storage, block, shard);
    }

    /** By block up to this one, the shards whose states are not there and are needed. */
    private List<List<Shard>> lacking(int block, boolean original) {
        Set<String> known = journal.fileNames();
        List<List<Shard>> lacking = new ArrayList<>();
        List<Shard> wanted = original && !calibration.corrects() ? List.of() : calibration.shards();
        for (int before = block; before >= 0; before--) {
            int at = before;
            wanted = wanted.stream()
                    .filter(shard -> !known.contains(file(at, shard, original)))
                    .toList();
            lacking.add(0, wanted);
        }
        return lacking;
    }

    private Optional<ShardTasks.Outcome> embed(List<Shard> now, List<Shard> original) throws IOException {
        Set<Integer> wanted = new TreeSet<>();
        now.forEach(shard -> wanted.add(shard.id()));
        original.forEach(shard -> wanted.add(shard.id()));
        if (wanted.isEmpty()) {
            return Optional.empty();
        }
        List<ShardTasks.Tokens> tokens = new ArrayList<>();
        for (Shard shard : calibration.shards()) {
            if (wanted.contains(shard.id())) {
                journal.forget(EMBED, BlockStages.item(shard));
                tokens.add(new ShardTasks.Tokens(shard, calibration.tokens().of(shard)));
            }
        }
        ShardTasks tasks = stages.tasks(stages.propagated(start));
        return first(stages.run(
                "embed",
                EMBED,
                Stage.of(EMBED, tokens, Noted.of(tasks::embed))
                        .cost(item -> item.shard().tokens())
                        .size(item -> item.shard().tokens(), Progress.Unit.TOKENS),
                item -> BlockStages.item(item.shard()),
                ShardTasks.Outcome.class));
    }

    private void releaseBefore(int block) throws IOException {
        Set<String> known = journal.fileNames();
        for (int before = 0; before < block; before++) {
            for (Shard shard : calibration.shards()) {
                if (known.contains(file(before, shard, false)) || known.contains(file(before, shard, true))) {
                    release(before);
                    break;
                }
            }
        }
    }

    /** Removes the states before a block, and what is known of how they were made. */
    private void release(int block) throws IOException {
        for (Shard shard : calibration.shards()) {
            storage.delete(file(block, shard, false));
            if (calibration.corrects()) {
                storage.delete(file(block, shard, true));
            }
        }
        if (block == 0) {
            journal.forget(EMBED);
        } else {
            journal.forget(stages.name(block - 1, "propagate"));
            journal.forget(stages.name(block - 1, "propagate original"));
            BlockHessians.forgetMoved(stages, block - 1);
        }
    }
}
