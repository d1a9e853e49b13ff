package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Trains the blocks of a model together on their grids, until its next-token distributions come close to those of the
 * unquantized model: behind GPTQ, or behind the training of each block by itself, whose errors this balances against each
 * other. For models of which all of a training fits one machine.
 *
 * <p>The reference of what {@code job.ModelTraining} does with many tasks. Weights and scales are moved by the same steps as {@link BlockTrainer}'s, and held-out sequences decide alike: those with
 * the least divergence are what training ends with. Deterministic. Source for the loss: Hinton et al., Distilling the knowledge
 * in a neural network (2015), at temperature 1.
 */
public final class ModelTrainer {

    /**
     * What came out.
     *
     * @param blocks of each block's trained layers
     * @param log its errors are mean divergences of a token in nats
     */
    public record Result(List<Map<Layer, BlockTrainer.Coded>> blocks, TrainingLog log) {}

    private final DecoderConfig config;
    private final QatSettings settings;
    private final ModelSource source;
    private final Batches batches;
    private final List<Map<Layer, BlockTrainer.Coded>> start;
    private final List<Map<Layer, TrainedLayer>> layers = new ArrayList<>();
    private final List<BlockMatrices> values = new ArrayList<>();

    /**
     * @param weights for each block what its layers compute with that are not trained; for those that are, the original weights
     * @param start for each block type and blocks of the layers that are trained, of which there may be none
     * @throws io.sparkgguf.tensor.InvalidInputException when a type has no grid
     */
    public ModelTrainer(
            DecoderConfig config,
            QatSettings settings,
            ModelSource source,
            List<BlockMatrices> weights,
            List<Map<Layer, BlockTrainer.Coded>> start) {
        if (weights.size() != start.size()) {
            throw new IllegalArgumentException(
                    "Cannot train " + start.size() + " blocks with the weights of " + weights.size());
        }
        this.config = config;
        this.settings = settings;
        this.source = source;
        this.start = List.copyOf(start);
        batches = new Batches(settings, source.sequences());
        for (int block = 0; block < start.size(); block++) {
            Map<Layer, TrainedLayer> trained =
                    BlockTrainer.begun(config, settings, weights.get(block), start.get(block));
            BlockMatrices matrices = weights.get(block).copy();
            trained.forEach((layer, each) -> matrices.put(layer, each.values()));
            layers.add(trained);
            values.add(matrices);
        }
    }

    /** Trains until all steps are made or the held-out divergence no longer falls. Call it once. */
    public Result train() throws IOException {
        TrainingLog log = TrainingLog.begin(measure());
        List<Map<Layer, BlockTrainer.Coded>> best = start;
        List<BlockMatrices> gradients = new ArrayList<>();
        for (Map<Layer, TrainedLayer> block : layers) {
            gradients.add(BlockMatrices.zeros(config, block.keySet()));
        }
        while (!log.isOver(settings)) {
            int[] batch = batches.of(log.steps());
            log = log.stepped(source.gradient(values, batch, gradients) / source.tokens(batch));
            if (log.diverged()) {
                break;
            }
            step(log.steps(), gradients);
            if (log.isMeasured(settings)) {
                log = log.measured(measure());
                if (log.bestStep() == log.steps()) {
                    best = blocks();
                }
            }
        }
        return new Result(best, log);
    }

    private double measure() throws IOException {
        return source.divergence(values, batches.measured()) / source.tokens(batches.measured());
    }

    private void step(int number, List<BlockMatrices> gradients) {
        for (int block = 0; block < layers.size(); block++) {
            BlockMatrices gradient = gradients.get(block);
            layers.get(block).forEach((layer, trained) -> trained.train(settings, number, gradient.of(layer)));
        }
    }

    private List<Map<Layer, BlockTrainer.Coded>> blocks() {
        List<Map<Layer, BlockTrainer.Coded>> all = new ArrayList<>();
        for (Map<Layer, TrainedLayer> block : layers) {
            Map<Layer, BlockTrainer.Coded> coded = new EnumMap<>(Layer.class);
            block.forEach(
                    (layer, trained) -> coded.put(layer, new BlockTrainer.Coded(trained.type(), trained.blocks())));
            all.add(coded);
        }
        return all;
    }
}
