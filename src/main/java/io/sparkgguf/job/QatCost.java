package io.sparkgguf.job;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.plan.CostModel;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.StageCost;
import io.sparkgguf.qat.BlockMatrices;
import io.sparkgguf.qat.Layer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What {@link BlockTraining} takes when every block makes all of its steps; it may end before. */
final class QatCost {
    /** Forward, the gradient of inputs and that of weights: two operations each for a weight and a token. */
    private static final int OPERATIONS = 6;

    /** Numbers of a weight that a training goes on from: itself and two moments. */
    private static final int STATE = 3;

    private final QatPlan qat;
    private final DecoderConfig config;
    private final Map<String, Long> memory;

    /** @param memory bytes that tasks hold, by kind */
    QatCost(CalibrationPlan calibration, Map<String, Long> memory) {
        qat = calibration.qat();
        config = calibration.config();
        this.memory = memory;
    }

    /** The stages of all blocks, in their order. */
    List<StageCost> stages(Plan plan, List<CalibrationPlan.Block> blocks) {
        List<StageCost> stages = new ArrayList<>();
        List<Set<Layer>> trained = blocks.stream()
                .<Set<Layer>>map(block -> qat.layers(plan, block).keySet())
                .filter(layers -> !layers.isEmpty())
                .toList();
        trained.forEach(layers -> stages.add(teach()));
        if (!qat.wholeBlocks()) {
            trained.forEach(layers -> steps(layers, stages));
        } else if (qat.sideBySide()) {
            rounds(trained, stages);
        } else {
            trained.forEach(layers -> rounds(List.of(layers), stages));
        }
        if (qat.trainsTogether()) {
            together(trained, stages);
        }
        return stages;
    }

    private static long bytes(DecoderConfig config, Iterable<Layer> layers) {
        long bytes = 0;
        for (Layer layer : layers) {
            bytes += (long) Float.BYTES * layer.size(config);
        }
        return bytes;
    }

    private long weights() {
        return BlockMatrices.memory(config, List.of(Layer.values())) / Float.BYTES;
    }

    /** Seconds of a pass over so many tokens, of which sequences have so many: operations for a weight and a token. */
    private double pass(long tokens, int length, int operations) {
        double attention = (double) length * config.queryColumns(); // keys and values, half of them masked
        return CostModel.productSeconds(operations * (double) tokens * (weights() + attention));
    }

    private long states(long tokens) {
        return 2L * Float.BYTES * tokens * config.width();
    }

    private StageCost teach() {
        StageCost stage = StageCost.of("teach");
        for (Shard shard : qat.shards()) {
            long moved = HiddenStates.length(shard, config.width()) * (qat.sideBySide() ? 2 : 1);
            long read = moved + Short.BYTES * weights();
            stage = stage.with(
                    pass(shard.tokens(), qat.longest(), 2) + CostModel.fileSeconds(read + moved),
                    memory.get("teach"),
                    read,
                    moved);
        }
        return stage;
    }

    /** All blocks, step by step: gradients of sequences, then layers. */
    private void together(List<Set<Layer>> trained, List<StageCost> stages) {
        int length = qat.longest();
        StageCost teach = StageCost.of(ModelTraining.TEACH);
        for (Shard shard : qat.shards()) {
            long moved = 2 * HiddenStates.length(shard, config.width());
            long read = Short.BYTES * config.blocks() * weights();
            teach = teach.with(
                    config.blocks() * pass(shard.tokens(), length, 2) + CostModel.fileSeconds(read + moved),
                    memory.get(ModelTraining.TEACH),
                    read,
                    moved);
        }
        stages.add(teach);
        long values =
                trained.stream().mapToLong(layers -> bytes(config, layers)).sum();
        long read = values + states(length);
        double head = CostModel.productSeconds(2.0 * length * config.width() * config.vocabulary());
        double measured = config.blocks() * pass(length, length, 2) + 2 * head;
        double gradient = config.blocks() * pass(length, length, OPERATIONS) + 3 * head;
        for (int step = 1; step <= qat.modelSettings().steps(); step++) {
            stages.add(StageCost.of(TrainingStages.MODEL)
                    .with(
                            qat.modelBatch(),
                            gradient + CostModel.fileSeconds(read + values),
                            memory.get(TrainingStages.MODEL),
                            read,
                            values));
            StageCost moved = StageCost.of("layers");
            for (Set<Layer> layers : trained) {
                moved = moved(moved, layers, qat.modelBatch());
            }
            stages.add(moved);
            if (step % qat.modelSettings().measureEvery() == 0
                    || step == qat.modelSettings().steps()) {
                stages.add(StageCost.of(TrainingStages.MODEL)
                        .with(
                                qat.heldOut(),
                                measured + CostModel.fileSeconds(read),
                                memory.get(TrainingStages.MODEL),
                                read,
                                0));
            }
        }
    }

    private StageCost moved(StageCost stage, Set<Layer> layers, int batch) {
        StageCost moved = stage;
        for (Layer layer : layers) {
            long one = bytes(config, List.of(layer));
            long in = (STATE + batch) * one;
            long out = (STATE + 1) * one;
            moved = moved.with(
                    CostModel.trainSeconds(one / Float.BYTES) + CostModel.fileSeconds(in + out),
                    memory.get("layers"),
                    in,
                    out);
        }
        return moved;
    }

    /** Blocks side by side, each by one task, from one measurement to the next. */
    private void rounds(List<Set<Layer>> blocks, List<StageCost> stages) {
        int every = qat.settings().measureEvery();
        for (int done = 0; done < qat.settings().steps(); done += every) {
            int steps = Math.min(every, qat.settings().steps() - done);
            StageCost stage = StageCost.of("train");
            for (Set<Layer> layers : blocks) {
                long kept = STATE * bytes(config, layers);
                long read = kept + states(steps * qat.stepTokens() + qat.heldOutTokens());
                double seconds = steps
                                * (pass(qat.stepTokens(), qat.longest(), OPERATIONS)
                                        + CostModel.trainSeconds(bytes(config, layers) / Float.BYTES))
                        + pass(qat.heldOutTokens(), qat.longest(), 2);
                stage = stage.with(seconds + CostModel.fileSeconds(read + kept), memory.get("train"), read, kept);
            }
            stages.add(stage);
        }
    }

    /** A block, its steps one after the other: gradients of sequences, then layers. */
    private void steps(Set<Layer> layers, List<StageCost> stages) {
        long values = bytes(config, layers);
        int length = qat.longest();
        double measured = pass(length, length, 2);
        for (int step = 1; step <= qat.settings().steps(); step++) {
            long read = values + states(length);
            stages.add(StageCost.of("gradients")
                    .with(
                            qat.batch(),
                            pass(length, length, OPERATIONS) + CostModel.fileSeconds(read + values),
                            memory.get("gradients"),
                            read,
                            values));
            stages.add(moved(StageCost.of("layers"), layers, qat.batch()));
            if (step % qat.settings().measureEvery() == 0
                    || step == qat.settings().steps()) {
                stages.add(StageCost.of("gradients")
                        .with(qat.heldOut(), measured + CostModel.fileSeconds(read), memory.get("gradients"), read, 0));
            }
        }
    }
}
