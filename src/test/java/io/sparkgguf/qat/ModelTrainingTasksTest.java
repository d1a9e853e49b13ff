package io.sparkgguf.qat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.job.qat.TrainedModel;
import io.sparkgguf.job.qat.TrainedSequence;
import io.sparkgguf.job.qat.TrainingTasks;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What tasks do to all blocks through files, sequence by sequence and layer by layer, is what {@link ModelTrainer} does in memory. */
class ModelTrainingTasksTest {
    private static final long SEED = 20261205;
    private static final int SEQUENCES = 10;
    private static final int TOKENS = 16;
    private static final BlockType TYPE = BlockType.Q2_K;
    private static final QatSettings SETTINGS =
            new QatSettings(QatSettings.Mode.WEIGHTS, 8, 3, 0.01, 0.002, 0.45, 2, 4, 9, 1);

    @TempDir
    Path folder;

    private final LocalStorage storage = new LocalStorage();
    private final TrainingTasks tasks = new TrainingTasks(storage);

    @Test
    void tasksGiveTheBitsOfTheTrainerInMemory() throws IOException {
        RandomStack stack = new RandomStack("llama", 256, 256, new int[] {4, 2, 64}, 64, SEED);
        List<MemoryGradients.Sequence> sequences = stack.sequences(SEQUENCES, TOKENS);
        List<Map<Layer, BlockTrainer.Coded>> start = stack.rounded(TYPE);
        ModelTrainer.Result expected =
                new ModelTrainer(stack.config, SETTINGS, stack.model(sequences), stack.matrices, start).train();
        assertEquals(BlockTrainer.End.IMPROVED, expected.log().end(), "seed " + SEED + ": " + expected.log());

        TrainedModel model = model(stack, files(stack, sequences), start);
        TrainingLog log = train(model);
        assertEquals(expected.log(), log);
        for (TrainedBlock block : model.blocks()) {
            for (Map.Entry<Layer, BlockTrainer.Coded> layer :
                    expected.blocks().get(block.index()).entrySet()) {
                byte[] blocks = layer.getValue().blocks();
                String file = tasks.blocks(block, layer.getKey(), log.bestStep());
                assertArrayEquals(
                        blocks,
                        TrainingTasks.readBlocks(storage, file, blocks.length),
                        layer.getKey() + " of block " + block.index());
            }
        }
    }

    /** As the stages of a run do it. */
    private TrainingLog train(TrainedModel model) throws IOException {
        Batches batches = new Batches(SETTINGS, SEQUENCES);
        move(model, 0, 0, false);
        TrainingLog log = TrainingLog.begin(measure(model, batches, 0));
        while (!log.isOver(SETTINGS)) {
            int step = log.steps();
            int[] batch = batches.of(step);
            double sum = 0;
            for (int place = 0; place < batch.length; place++) {
                sum += tasks.modelGradient(new TrainingTasks.ModelPass(model, place, batch[place], step));
            }
            log = log.stepped(sum / ((long) batch.length * TOKENS));
            move(model, step + 1, batch.length, log.isMeasured(SETTINGS));
            if (log.isMeasured(SETTINGS)) {
                log = log.measured(measure(model, batches, step + 1));
            }
        }
        return log;
    }

    private void move(TrainedModel model, int step, int sequences, boolean measured) throws IOException {
        for (TrainedBlock block : model.blocks()) {
            for (Layer layer : block.layers().keySet()) {
                tasks.move(new TrainingTasks.Move(block, layer, step, sequences, measured));
            }
        }
    }

    private double measure(TrainedModel model, Batches batches, int step) throws IOException {
        double sum = 0;
        for (int sequence : batches.measured()) {
            sum += tasks.divergence(new TrainingTasks.ModelPass(model, 0, sequence, step));
        }
        return sum / ((long) batches.measured().length * TOKENS);
    }

    private TrainedModel model(
            RandomStack stack, ArrayList<TrainedSequence> sequences, List<Map<Layer, BlockTrainer.Coded>> start)
            throws IOException {
        ArrayList<TrainedBlock> blocks = new ArrayList<>();
        for (int block = 0; block < RandomStack.BLOCKS; block++) {
            EnumMap<Layer, TrainedBlock.Start> starts = new EnumMap<>(Layer.class);
            for (Map.Entry<Layer, BlockTrainer.Coded> layer : start.get(block).entrySet()) {
                Path file = folder.resolve(block + "-" + layer.getKey());
                Files.write(file, layer.getValue().blocks());
                starts.put(layer.getKey(), new TrainedBlock.Start(TYPE, List.of(file.toString())));
            }
            Path own = Files.createDirectory(folder.resolve("block-" + block));
            blocks.add(new TrainedBlock(
                    block,
                    stack.config,
                    SETTINGS,
                    starts,
                    any -> stack.weights(),
                    any -> stack.weights(),
                    sequences,
                    own.toString()));
        }
        return new TrainedModel(blocks);
    }

    /** Sequences in files, all of one shard. */
    private ArrayList<TrainedSequence> files(RandomStack stack, List<MemoryGradients.Sequence> sequences)
            throws IOException {
        int[] lengths = new int[SEQUENCES];
        Arrays.fill(lengths, TOKENS);
        Shard shard = new Shard(0, false, lengths, new long[0]);
        String inputs = folder.resolve("inputs").toString();
        String targets = folder.resolve("targets").toString();
        int width = stack.config.width();
        Iterator<MemoryGradients.Sequence> input = sequences.iterator();
        new HiddenStates(storage, inputs, shard, 0, width)
                .write(shard.batches(TOKENS), batch -> input.next().input());
        Iterator<MemoryGradients.Sequence> target = sequences.iterator();
        new HiddenStates(storage, targets, shard, RandomStack.BLOCKS, width)
                .write(shard.batches(TOKENS), batch -> target.next().target());
        ArrayList<TrainedSequence> all = new ArrayList<>();
        for (int i = 0; i < SEQUENCES; i++) {
            all.add(new TrainedSequence(shard, i * TOKENS, i, TOKENS, inputs, targets));
        }
        return all;
    }
}
