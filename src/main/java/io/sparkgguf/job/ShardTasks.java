package io.sparkgguf.job;

import io.sparkgguf.calibrate.HessianPart;
import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.model.forward.NonFiniteActivationException;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.util.Map;

/** What tasks do with a shard: take its tokens or hidden states through the model, and look at what layers read. */
final class ShardTasks implements Serializable {
    private static final long serialVersionUID = 1L;

    /**
     * Tokens that go through a block together, a sequence at least. Part of the definition of Hessians in the last bits,
     * for their sums are cut there.
     */
    static final int BATCH_TOKENS = 2048;

    private final Storage storage;
    private final CalibrationFolder folder;
    private final DecoderConfig config;
    private final BlendedWeights weights;

    /** @param weights by which the tasks compute */
    ShardTasks(Storage storage, CalibrationFolder folder, DecoderConfig config, BlendedWeights weights) {
        this.storage = storage;
        this.folder = folder;
        this.config = config;
        this.weights = weights;
    }

    /** A shard and its tokens. */
    record Tokens(Shard shard, int[] ids) implements Serializable {}

    /**
     * What happened to a shard.
     *
     * @param nonFinite null, or that an activation was no finite number, and where
     */
    record Outcome(long nanos, String nonFinite) implements Serializable {}

    private interface Body {
        void run(Decoder decoder) throws IOException;
    }

    private Outcome run(int block, Shard shard, Body body) throws IOException {
        long start = System.nanoTime();
        String nonFinite = null;
        try (WeightSource source = weights.open(storage)) {
            body.run(new Decoder(config, source));
        } catch (NonFiniteActivationException e) {
            nonFinite = e.getMessage() + " (shard " + shard.id() + " of the calibration tokens)";
        }
        return new Outcome(System.nanoTime() - start, nonFinite);
    }

    private HiddenStates hidden(int block, Shard shard) {
        return new HiddenStates(storage, folder.hidden(storage, block, shard), shard, block, config.width());
    }

    private static int largest(Shard shard) {
        return shard.batches(BATCH_TOKENS).stream()
                .mapToInt(Shard.Batch::tokens)
                .max()
                .orElse(0);
    }

    /** Writes the hidden states before the first block. */
    Outcome embed(Tokens tokens) throws IOException {
        Shard shard = tokens.shard();
        return run(0, shard, decoder -> {
            float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
            hidden(0, shard).write(shard.batches(BATCH_TOKENS), batch -> {
                decoder.embed(tokens.ids(), batch.firstToken(), batch.tokens(), states);
                return states;
            });
        });
    }

    /** Writes the hidden states behind a block. */
    Outcome propagate(int block, Shard shard) throws IOException {
        return walk(block, shard, BlockObserver.NONE, batch -> {});
    }

    private interface Begin {
        void batch(Shard.Batch batch);
    }

    private Outcome walk(int block, Shard shard, BlockObserver observer, Begin begin) throws IOException {
        return run(block, shard, decoder -> {
            float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
            try (HiddenStates.Reader before = hidden(block, shard).open()) {
                hidden(block + 1, shard).write(shard.batches(BATCH_TOKENS), batch -> {
                    before.read(batch, states);
                    begin.batch(batch);
                    decoder.block(block, states, batch.ends(), observer, null);
                    return states;
                });
            }
        });
    }

    /**
     * Sums the shard's share of Hessians.
     *
     * @param grids the inputs that are wanted, and how their Hessians are cut
     * @param memory bytes of tiles to keep while summing
     * @param keep whether the hidden states behind the block are written, too
     */
    Outcome hessians(int block, Shard shard, Map<LinearInput, TileGrid> grids, long memory, boolean keep)
            throws IOException {
        try (HessianPart part = new HessianPart(grids, memory, shard)) {
            Outcome outcome = keep
                    ? walk(block, shard, part, part::begin)
                    : look(
                            block,
                            shard,
                            part,
                            grids.keySet().stream().reduce((a, b) -> b).orElseThrow());
            if (outcome.nonFinite() == null) {
                for (LinearInput input : grids.keySet()) {
                    part.write(input, storage, folder.partial(storage, block, input, shard));
                }
            }
            return outcome;
        }
    }

    private Outcome look(int block, Shard shard, HessianPart part, LinearInput last) throws IOException {
        return run(block, shard, decoder -> {
            float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
            try (HiddenStates.Reader before = hidden(block, shard).open()) {
                for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                    before.read(batch, states);
                    part.begin(batch);
                    decoder.block(block, states, batch.ends(), part, last);
                }
            }
        });
    }

    /** Sums the shard's share of the Hessian of what the output head reads. */
    Outcome headHessian(Shard shard, TileGrid grid, long memory) throws IOException {
        int width = config.width();
        int block = config.blocks();
        LinearInput input = CalibrationPlan.HEAD;
        try (HessianPart part = new HessianPart(Map.of(input, grid), memory, shard)) {
            Outcome outcome = run(block, shard, decoder -> {
                float[] states = new float[Math.multiplyExact(largest(shard), width)];
                float[] normed = new float[states.length];
                try (HiddenStates.Reader before = hidden(block, shard).open()) {
                    for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                        before.read(batch, states);
                        part.begin(batch);
                        decoder.outputInput(states, 0, batch.tokens(), normed);
                        part.input(block, input, normed, batch.tokens(), width);
                    }
                }
            });
            if (outcome.nonFinite() == null) {
                part.write(input, storage, folder.partial(storage, block, input, shard));
            }
            return outcome;
        }
    }

    /** Ends the run over an activation that is no number. */
    static InvalidInputException refusal(Outcome outcome) {
        return new InvalidInputException(outcome.nonFinite()
                + "; --non-finite-activations fallback rounds this block and the following ones plainly");
    }
}
