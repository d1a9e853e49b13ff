package io.sparkgguf.job;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.InputFile;
import io.sparkgguf.calibrate.Shard;
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

/** What tasks do with a shard: take its tokens or hidden states through the model, and look at what layers read. */
final class ShardTasks implements Serializable {
    private static final long serialVersionUID = 1L;

    /**
     * Tokens that go through a block together, a sequence at least. Part of the definition of Hessians in the last bits,
     * for their sums are cut there.
     */
    static final int BATCH_TOKENS = 2048;

    /** Bytes that a pass over a block may keep of its weights, so that they are not read again for each batch. */
    private static final long KEPT_BYTES = 256L << 20;

    private final Storage storage;
    private final CalibrationFolder folder;
    private final DecoderConfig config;
    private final BlendedWeights weights;
    private final boolean paired;

    /**
     * @param weights by which the tasks compute
     * @param paired whether hidden states that the original weights make go beside those that these make
     */
    ShardTasks(
            Storage storage, CalibrationFolder folder, DecoderConfig config, BlendedWeights weights, boolean paired) {
        this.storage = storage;
        this.folder = folder;
        this.config = config;
        this.weights = weights;
        this.paired = paired;
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
        void run(WeightSource weights) throws IOException;
    }

    private interface PairedBody {
        void run(Decoder now, Decoder original) throws IOException;
    }

    /** Runs with both weights; {@code original} is null when nothing is paired. */
    private Outcome runPaired(Shard shard, long memory, PairedBody body) throws IOException {
        if (!paired) {
            return run(shard, weights, memory, source -> body.run(new Decoder(config, source), null));
        }
        if (weights.quantized() == null) { // the same ones: what one has read the other need not
            return run(
                    shard,
                    weights,
                    memory,
                    source -> body.run(new Decoder(config, source), new Decoder(config, source)));
        }
        try (WeightSource source = new KeptWeights(originalWeights().open(storage), memory / 2)) {
            Decoder original = new Decoder(config, source);
            return run(shard, weights, memory / 2, now -> body.run(new Decoder(config, now), original));
        }
    }

    private BlendedWeights originalWeights() {
        return new BlendedWeights(weights.original(), null, weights.allowNonFinite());
    }

    private Outcome run(Shard shard, BlendedWeights by, long memory, Body body) throws IOException {
        long start = System.nanoTime();
        String nonFinite = null;
        try (WeightSource source = new KeptWeights(by.open(storage), memory)) {
            body.run(source);
        } catch (NonFiniteActivationException e) {
            nonFinite = e.getMessage() + " (shard " + shard.id() + " of the calibration tokens)";
        }
        return new Outcome(System.nanoTime() - start, nonFinite);
    }

    /**
     * Bytes of weights that a pass over a block keeps.
     *
     * @param paths by how many weights it goes
     */
    static long keptMemory(DecoderConfig config, int paths) {
        long attention = 2L * config.queryColumns() + 2L * config.keyValueColumns();
        long weights = config.width() * (attention + 3L * config.feedForward());
        return Math.min(KEPT_BYTES, paths * Float.BYTES * weights);
    }

    private HiddenStates hidden(int block, Shard shard) {
        return new HiddenStates(storage, folder.hidden(storage, block, shard), shard, block, config.width());
    }

    private HiddenStates originalHidden(int block, Shard shard) {
        return new HiddenStates(storage, folder.originalHidden(storage, block, shard), shard, block, config.width());
    }

    private static int largest(Shard shard) {
        return shard.batches(BATCH_TOKENS).stream()
                .mapToInt(Shard.Batch::tokens)
                .max()
                .orElse(0);
    }

    /** Writes the hidden states before the first block. */
    Outcome embed(Tokens tokens) throws IOException {
        return runPaired(tokens.shard(), 0, (now, original) -> {
            embed(tokens, now, hidden(0, tokens.shard()));
            if (paired) {
                embed(tokens, original, originalHidden(0, tokens.shard()));
            }
        });
    }

    private void embed(Tokens tokens, Decoder decoder, HiddenStates into) throws IOException {
        Shard shard = tokens.shard();
        float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
        into.write(shard.batches(BATCH_TOKENS), batch -> {
            decoder.embed(tokens.ids(), batch.firstToken(), batch.tokens(), states);
            return states;
        });
    }

    /** Writes the hidden states behind a block. */
    Outcome propagate(int block, Shard shard) throws IOException {
        return propagate(weights, hidden(block, shard), hidden(block + 1, shard));
    }

    /** Writes those that the original weights make of the original ones. */
    Outcome propagateOriginal(int block, Shard shard) throws IOException {
        return propagate(originalWeights(), originalHidden(block, shard), originalHidden(block + 1, shard));
    }

    /**
     * Writes what the original block makes of a shard, for training: of its original states where they go beside, else of those
     * that now are.
     *
     * @param keep whether states before the block as they now are are written, too
     */
    Outcome teach(int block, Shard shard, boolean keep) throws IOException {
        HiddenStates now = hidden(block, shard);
        if (keep) {
            String input = folder.trainingInput(storage, block, shard);
            float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
            try (HiddenStates.Reader before = now.open()) {
                new HiddenStates(storage, input, shard, block, config.width())
                        .write(shard.batches(BATCH_TOKENS), batch -> {
                            before.read(batch, states);
                            return states;
                        });
            }
        }
        return propagate(
                originalWeights(),
                paired ? originalHidden(block, shard) : now,
                new HiddenStates(
                        storage, folder.trainingTarget(storage, block, shard), shard, block + 1, config.width()));
    }

    /** Writes a shard's embedded tokens by the weights that now are, and what all original blocks make of the original ones. */
    Outcome teachModel(Tokens tokens) throws IOException {
        Shard shard = tokens.shard();
        int width = config.width();
        int blocks = config.blocks();
        HiddenStates input = new HiddenStates(storage, folder.modelInput(storage, shard), shard, 0, width);
        HiddenStates target = new HiddenStates(storage, folder.modelTarget(storage, shard), shard, blocks, width);
        Outcome embedded = run(shard, weights, 0, source -> embed(tokens, new Decoder(config, source), input));
        Outcome taught = run(shard, originalWeights(), KEPT_BYTES, source -> {
            Decoder decoder = new Decoder(config, source);
            float[] states = new float[Math.multiplyExact(largest(shard), width)];
            target.write(shard.batches(BATCH_TOKENS), batch -> {
                decoder.embed(tokens.ids(), batch.firstToken(), batch.tokens(), states);
                for (int block = 0; block < blocks; block++) {
                    decoder.block(block, states, batch.ends(), BlockObserver.NONE, null);
                }
                return states;
            });
        });
        return embedded.nonFinite() != null ? embedded : taught;
    }

    private Outcome propagate(BlendedWeights by, HiddenStates from, HiddenStates to) throws IOException {
        return run(from.shard(), by, KEPT_BYTES, source -> {
            Decoder decoder = new Decoder(config, source);
            walk(decoder, from.block(), from.shard(), from, to, BlockObserver.NONE, batch -> {});
        });
    }

    private interface Begin {
        void batch(Shard.Batch batch);
    }

    private static void walk(
            Decoder decoder,
            int block,
            Shard shard,
            HiddenStates from,
            HiddenStates to,
            BlockObserver observer,
            Begin begin)
            throws IOException {
        float[] states = new float[Math.multiplyExact(largest(shard), from.width())];
        try (HiddenStates.Reader before = from.open()) {
            to.write(shard.batches(BATCH_TOKENS), batch -> {
                before.read(batch, states);
                begin.batch(batch);
                decoder.block(block, states, batch.ends(), observer, null);
                return states;
            });
        }
    }

    /**
     * What else a pass over a block writes.
     */
    enum Keep {
        NOTHING,
        /** The hidden states behind the block. */
        HIDDEN,
        /** Those that the original weights make. */
        ORIGINAL_HIDDEN
    }

    /**
     * Writes down what the block's layers read.
     *
     * @param into names the inputs that are wanted
     */
    Outcome inputs(int block, InputFile into, Keep keep) throws IOException {
        Shard shard = into.shard();
        if (keep == Keep.HIDDEN) {
            return run(shard, weights, KEPT_BYTES, source -> {
                Decoder decoder = new Decoder(config, source);
                into.write(seen ->
                        walk(decoder, block, shard, hidden(block, shard), hidden(block + 1, shard), seen, seen::begin));
            });
        }
        LinearInput last = into.grids().keySet().stream().reduce((a, b) -> b).orElseThrow();
        return paired
                ? lookAtBoth(block, into, last, keep == Keep.ORIGINAL_HIDDEN)
                : run(shard, weights, KEPT_BYTES, source -> {
                    Decoder decoder = new Decoder(config, source);
                    into.write(seen -> look(decoder, block, shard, seen, last));
                });
    }

    private void look(Decoder decoder, int block, Shard shard, InputFile.Writer seen, LinearInput last)
            throws IOException {
        float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
        try (HiddenStates.Reader before = hidden(block, shard).open()) {
            for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                before.read(batch, states);
                seen.begin(batch);
                decoder.block(block, states, batch.ends(), seen, last);
            }
        }
    }

    /** Each batch in its original states first, then in those that now are. */
    private Outcome lookAtBoth(int block, InputFile into, LinearInput last, boolean keep) throws IOException {
        Shard shard = into.shard();
        return runPaired(
                shard,
                KEPT_BYTES,
                (now, original) -> into.write(seen -> {
                    float[] states = new float[Math.multiplyExact(largest(shard), config.width())];
                    float[] originals = new float[states.length];
                    try (HiddenStates.Reader before = hidden(block, shard).open();
                            HiddenStates.Reader originalBefore =
                                    originalHidden(block, shard).open()) {
                        HiddenStates.Source source = batch -> {
                            originalBefore.read(batch, originals);
                            original.block(block, originals, batch.ends(), seen.originals(), keep ? null : last);
                            before.read(batch, states);
                            seen.begin(batch);
                            now.block(block, states, batch.ends(), seen, last);
                            return originals;
                        };
                        if (keep) {
                            originalHidden(block + 1, shard).write(shard.batches(BATCH_TOKENS), source);
                        } else {
                            for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                                source.next(batch);
                            }
                        }
                    }
                }));
    }

    /** Writes down what the output head reads. */
    Outcome headInputs(InputFile into) throws IOException {
        int width = config.width();
        int block = config.blocks();
        LinearInput input = CalibrationPlan.HEAD;
        Shard shard = into.shard();
        return runPaired(
                shard,
                0,
                (decoder, original) -> into.write(seen -> {
                    float[] states = new float[Math.multiplyExact(largest(shard), width)];
                    float[] normed = new float[states.length];
                    try (HiddenStates.Reader before = hidden(block, shard).open();
                            HiddenStates.Reader originalBefore =
                                    paired ? originalHidden(block, shard).open() : null) {
                        for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                            if (paired) {
                                originalBefore.read(batch, states);
                                original.outputInput(states, 0, batch.tokens(), normed);
                                seen.originals().input(block, input, normed, batch.tokens(), width);
                            }
                            before.read(batch, states);
                            seen.begin(batch);
                            decoder.outputInput(states, 0, batch.tokens(), normed);
                            seen.input(block, input, normed, batch.tokens(), width);
                        }
                    }
                }));
    }

    /** Ends the run over an activation that is no number. */
    static InvalidInputException refusal(Outcome outcome) {
        return new InvalidInputException(outcome.nonFinite()
                + "; --non-finite-activations fallback rounds this block and the following ones plainly");
    }
}
