package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Trains the weights of one block on their grids until its output comes close to what the unquantized block gives.
 *
 * <p>Each step takes a batch of sequences, in an order that follows from the seed. Now and then the held-out sequences, which
 * are the last ones, are measured; the blocks with the least error there are what training ends with. They are those it began
 * with when nothing was better, or when an error is no finite number. Deterministic: the same bits from every source of
 * gradients that keeps its contract.
 */
public final class BlockTrainer {

    /** A layer's type and its blocks, row after row. */
    public record Coded(BlockType type, byte[] blocks) {}

    /** How training ended. */
    public enum End {
        /** The blocks are better than those it began with. */
        IMPROVED,
        /** Nothing was better. */
        KEPT,
        /** An error was no finite number: what was best until then, or what it began with. */
        DIVERGED
    }

    /**
     * What came out.
     *
     * @param blocks of each trained layer
     * @param end how it ended
     * @param before mean squared error of the held-out sequences at the start
     * @param after of what came out
     * @param steps that were made
     * @param training mean squared error of each step's batch
     * @param heldOut mean squared error at each measurement, the start first
     */
    public record Result(
            Map<Layer, Coded> blocks,
            End end,
            double before,
            double after,
            int steps,
            List<Double> training,
            List<Double> heldOut) {}

    private final QatSettings settings;
    private final GradientSource source;
    private final DecoderConfig config;
    private final Batches batches;
    private final Map<Layer, TrainedLayer> layers = new EnumMap<>(Layer.class);
    private final BlockMatrices values;
    private Map<Layer, Coded> start = Map.of();
    private TrainingLog log;
    private Map<Layer, Coded> best;

    /**
     * Begins a training.
     *
     * @param weights what layers compute with that are not trained; for those that are, the original weights
     * @param start type and blocks of the layers that are trained
     * @throws io.sparkgguf.tensor.InvalidInputException when a type has no grid
     */
    public BlockTrainer(
            DecoderConfig config,
            QatSettings settings,
            GradientSource source,
            BlockMatrices weights,
            Map<Layer, Coded> start) {
        this(config, settings, source, weights, checked(config, settings, source, weights, start), null);
        this.start = new EnumMap<>(start);
        best = this.start;
    }

    /**
     * Goes on with a training.
     *
     * @param weights what layers compute with that are not trained
     * @param layers as they were left; kept, and trained further
     * @param log of that training; null for one whose start was not measured yet
     */
    public BlockTrainer(
            DecoderConfig config,
            QatSettings settings,
            GradientSource source,
            BlockMatrices weights,
            Map<Layer, TrainedLayer> layers,
            TrainingLog log) {
        this.config = config;
        this.settings = settings;
        this.source = source;
        this.log = log;
        batches = new Batches(settings, source.sequences());
        values = weights.copy();
        layers.forEach((layer, trained) -> {
            this.layers.put(layer, trained);
            values.put(layer, trained.values());
        });
    }

    /** Refuses what cannot be before anything is made of the weights. */
    private static Map<Layer, TrainedLayer> checked(
            DecoderConfig config,
            QatSettings settings,
            GradientSource source,
            BlockMatrices weights,
            Map<Layer, Coded> start) {
        new Batches(settings, source.sequences());
        return begun(config, settings, weights, start);
    }

    static Map<Layer, TrainedLayer> begun(
            DecoderConfig config, QatSettings settings, BlockMatrices weights, Map<Layer, Coded> start) {
        Map<Layer, TrainedLayer> begun = new EnumMap<>(Layer.class);
        start.forEach((layer, coded) -> begun.put(
                layer,
                new TrainedLayer(
                        coded.type(),
                        layer.rows(config),
                        layer.columns(config),
                        weights.of(layer),
                        coded.blocks(),
                        settings.margin())));
        return begun;
    }

    /** Trains until the steps are made or held-out errors no longer fall. Call it once, on a training that was begun here. */
    public Result train() throws IOException {
        TrainingLog all = train(settings.steps());
        return new Result(best, all.end(), all.before(), all.best(), all.steps(), all.training(), all.heldOut());
    }

    /** Trains until it is over, or so many steps are made. */
    public TrainingLog train(int steps) throws IOException {
        if (log == null) {
            log = TrainingLog.begin(measure());
        }
        BlockMatrices gradients = BlockMatrices.zeros(config, layers.keySet());
        while (!log.isOver(settings) && log.steps() < steps) {
            int[] batch = batches.of(log.steps());
            log = log.stepped(source.gradient(values, batch, gradients) / source.elements(batch));
            if (log.diverged()) {
                break;
            }
            layers.forEach((layer, trained) -> trained.train(settings, log.steps(), gradients.of(layer)));
            if (log.isMeasured(settings)) {
                log = log.measured(measure());
                if (log.bestStep() == log.steps()) {
                    best = blocks();
                }
            }
        }
        return log;
    }

    /** The blocks of the best measurement, when it was taken by this object or is the start that it was given; or null. */
    public Map<Layer, Coded> best() {
        return best;
    }

    private double measure() throws IOException {
        int[] measured = batches.measured();
        return source.error(values, measured) / source.elements(measured);
    }

    private Map<Layer, Coded> blocks() {
        Map<Layer, Coded> blocks = new EnumMap<>(Layer.class);
        layers.forEach((layer, trained) -> blocks.put(layer, new Coded(trained.type(), trained.blocks())));
        return blocks;
    }
}
