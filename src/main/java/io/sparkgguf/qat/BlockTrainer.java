package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

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

    private final DecoderConfig config;
    private final QatSettings settings;
    private final GradientSource source;
    private final Map<Layer, Coded> start;
    private final Map<Layer, TrainedLayer> layers = new EnumMap<>(Layer.class);
    private final BlockMatrices values;
    private final int[] measured;
    private final List<Integer> order = new ArrayList<>();
    private final Random random;
    private int next;

    /**
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
        this.config = config;
        this.settings = settings;
        this.source = source;
        this.start = new EnumMap<>(start);
        int training = source.sequences() - settings.heldOut();
        if (training < 1) {
            throw new IllegalArgumentException("Cannot train with " + source.sequences() + " sequences, "
                    + settings.heldOut() + " of them held out: at least one must be left");
        }
        values = weights.copy();
        start.forEach((layer, coded) -> {
            TrainedLayer trained = new TrainedLayer(
                    coded.type(),
                    layer.rows(config),
                    layer.columns(config),
                    weights.of(layer),
                    coded.blocks(),
                    settings.margin());
            layers.put(layer, trained);
            values.put(layer, trained.values());
        });
        measured = new int[settings.heldOut()];
        for (int i = 0; i < measured.length; i++) {
            measured[i] = training + i;
        }
        for (int i = 0; i < training; i++) {
            order.add(i);
        }
        next = training;
        random = new Random(settings.seed());
    }

    /** Trains until the steps are made or held-out errors no longer fall. Call it once. */
    public Result train() throws IOException {
        double before = measure();
        double best = before;
        Map<Layer, Coded> bestBlocks = start;
        End end = End.KEPT;
        List<Double> training = new ArrayList<>();
        List<Double> heldOut = new ArrayList<>(List.of(before));
        Optimizer optimizer = new Optimizer(settings.mode());
        BlockMatrices gradients = BlockMatrices.zeros(config, layers.keySet());
        int worse = 0;
        int step = 0;
        while (Double.isFinite(before) && before > 0 && step < settings.steps() && worse < settings.patience()) {
            int[] batch = batch();
            double error = source.gradient(values, batch, gradients) / source.elements(batch);
            training.add(error);
            if (!Double.isFinite(error)) {
                end = End.DIVERGED;
                break;
            }
            step(optimizer, gradients, step++);
            if (step % settings.measureEvery() == 0 || step == settings.steps()) {
                double now = measure();
                heldOut.add(now);
                if (now < best) {
                    best = now;
                    bestBlocks = blocks();
                    end = End.IMPROVED;
                    worse = 0;
                } else {
                    worse++;
                }
                if (!Double.isFinite(now)) {
                    end = End.DIVERGED;
                    break;
                }
            }
        }
        if (!Double.isFinite(before)) {
            end = End.DIVERGED;
        }
        return new Result(bestBlocks, end, before, best, step, training, heldOut);
    }

    private double measure() throws IOException {
        return source.error(values, measured) / source.elements(measured);
    }

    private int[] batch() {
        int[] batch = new int[Math.min(settings.batch(), order.size())];
        for (int i = 0; i < batch.length; i++) {
            if (next == order.size()) {
                Collections.shuffle(order, random);
                next = 0;
            }
            batch[i] = order.get(next++);
        }
        return batch;
    }

    private void step(Optimizer optimizer, BlockMatrices gradients, int step) {
        double share = settings.share(step);
        optimizer.begin(step + 1);
        layers.forEach((layer, trained) -> {
            trained.backward(gradients.of(layer));
            trained.step(optimizer, settings.weightRate() * share, settings.scaleRate() * share);
        });
    }

    private Map<Layer, Coded> blocks() {
        Map<Layer, Coded> blocks = new EnumMap<>(Layer.class);
        layers.forEach(
                (layer, trained) -> blocks.put(layer, new Coded(start.get(layer).type(), trained.blocks())));
        return blocks;
    }
}
