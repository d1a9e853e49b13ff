package io.sparkgguf.job;

import io.sparkgguf.evaluate.Distributions;
import io.sparkgguf.evaluate.Divergence;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Measures what rounding one tensor does to a model's predictions: runs a passage through the model as it is, and through
 * models in each of which one tensor of a block is rounded.
 *
 * <p>Up to the block all are the same and run once; behind it they run side by side as sequences of one batch, so that each
 * block's weights are read once. Holds the residual stream of all of them, and the logits of a slab of tokens.
 */
final class TypeEffects implements Stage.Task<TypeEffects.Item, TypeEffects.Divergences> {
    private static final long serialVersionUID = 1L;

    /** Bytes of the distributions of a slab, of the model and a rounded one together, unless a token takes more. */
    private static final long SLAB_BYTES = 32L << 20;

    private final Storage storage;
    private final RunnableModel model;
    private final BlendedWeights weights;

    TypeEffects(Storage storage, RunnableModel model, BlendedWeights weights) {
        this.storage = storage;
        this.model = model;
        this.weights = weights;
    }

    /** A tensor to be rounded. @param importance of its columns, or null */
    record Probe(String tensor, BlockType type, float[] importance) implements Serializable {}

    /**
     * @param block of the probes; -1 for the token embedding, the number of blocks for the output head
     * @param level which of its tensors' measured types the probes have
     */
    record Item(int block, int level, Passage passage, ArrayList<Probe> probes) implements Serializable {
        /** Its name in the journal. */
        String key() {
            return block + " " + level + " " + passage.index();
        }

        /** Tokens that go through blocks, about, counted in passages through the whole model. */
        double cost(int blocks) {
            return passage.tokens().length * (blocks + (double) (blocks - block) * (1 + probes.size()));
        }
    }

    /**
     * @param sums of KL(model || rounded) over tokens, in nats, by probe
     * @param tokens of the passage
     */
    record Divergences(double[] sums, long tokens) implements Serializable {}

    /** Bytes that a task holds for a passage of so many tokens and probes. */
    long memory(int tokens, int probes) throws IOException {
        int all = Math.multiplyExact(tokens, probes + 1);
        try (WeightSource opened = weights.open(storage)) {
            long decoders =
                    model.decoder(opened).memory(all) + model.decoder(opened).memory(tokens);
            long rounding = 3L * RoundedRows.memory(1 << 20);
            return 2 * weights.original().memory()
                    + decoders
                    + rounding
                    + Float.BYTES * (all + (long) tokens) * model.config().width()
                    + 2 * slab(tokens) * Distributions.rowBytes(model.vocabulary());
        }
    }

    private int slab(int tokens) {
        return (int) Math.max(1, Math.min(tokens, SLAB_BYTES / 2 / Distributions.rowBytes(model.vocabulary())));
    }

    @Override
    public Divergences run(Item item) throws IOException {
        try (WeightSource opened = weights.open(storage)) {
            Decoder decoder = model.decoder(opened);
            List<Decoder> rounded = new ArrayList<>();
            for (Probe probe : item.probes()) {
                rounded.add(model.decoder(new Rounded(opened, probe)));
            }
            float[] states = states(item, decoder, rounded);
            return divergences(item, states, decoder, rounded);
        }
    }

    /** What the last block leaves: first the model's as it is, then those of the rounded ones. */
    private float[] states(Item item, Decoder decoder, List<Decoder> rounded) throws IOException {
        Passage passage = item.passage();
        int tokens = passage.tokens().length;
        int size = Math.multiplyExact(tokens, decoder.width());
        float[] states = new float[Math.multiplyExact(size, rounded.size() + 1)];
        float[] before = new float[size];
        decoder.embed(passage.tokens(), 0, tokens, before);
        for (int block = 0; block < Math.min(item.block(), decoder.blocks()); block++) {
            decoder.block(block, before, passage.ends(), BlockObserver.NONE, null);
        }
        float[] own = new float[size];
        for (int v = 0; v <= rounded.size(); v++) {
            System.arraycopy(before, 0, own, 0, size);
            Decoder with = v == 0 ? decoder : rounded.get(v - 1);
            if (item.block() < 0 && v > 0) {
                with.embed(passage.tokens(), 0, tokens, own);
            } else if (item.block() >= 0 && item.block() < decoder.blocks()) {
                with.block(item.block(), own, passage.ends(), BlockObserver.NONE, null);
            }
            System.arraycopy(own, 0, states, v * size, size);
        }
        int[] ends = repeated(passage.ends(), tokens, rounded.size() + 1);
        for (int block = item.block() + 1; block < decoder.blocks(); block++) {
            decoder.block(block, states, ends, BlockObserver.NONE, null);
        }
        return states;
    }

    private static int[] repeated(int[] ends, int tokens, int times) {
        int[] all = new int[ends.length * times];
        for (int i = 0; i < all.length; i++) {
            all[i] = i / ends.length * tokens + ends[i % ends.length];
        }
        return all;
    }

    private Divergences divergences(Item item, float[] states, Decoder decoder, List<Decoder> rounded)
            throws IOException {
        int tokens = item.passage().tokens().length;
        int slab = slab(tokens);
        Distributions expected = new Distributions(slab, model.vocabulary());
        Distributions actual = new Distributions(slab, model.vocabulary());
        double[] sums = new double[rounded.size()];
        for (int from = 0; from < tokens; from += slab) {
            int count = Math.min(slab, tokens - from);
            fill(decoder, states, from, count, expected);
            for (int v = 0; v < sums.length; v++) {
                // only the head's own rounding, or a tied embedding's, tells in the head
                fill(rounded.get(v), states, (v + 1) * tokens + from, count, actual);
                Divergence divergence = new Divergence(count);
                for (int i = 0; i < count; i++) {
                    divergence.add(expected, actual, i, 0);
                }
                sums[v] += divergence.kld().mean() * count;
            }
        }
        return new Divergences(sums, tokens);
    }

    private void fill(Decoder decoder, float[] states, int from, int count, Distributions into) throws IOException {
        decoder.logits(states, from * decoder.width(), count, into.logits());
        into.normalize(count, model.name());
    }

    /** Weights of which one tensor is rounded when it is read. Closes nothing: the weights serve others. */
    private static final class Rounded implements WeightSource {
        private final WeightSource weights;
        private final Probe probe;
        private final RoundedRows rounding = new RoundedRows();

        Rounded(WeightSource weights, Probe probe) {
            this.weights = weights;
            this.probe = probe;
        }

        @Override
        public boolean has(String name) {
            return weights.has(name);
        }

        @Override
        public Shape shape(String name) {
            return weights.shape(name);
        }

        @Override
        public void rows(String name, long firstRow, int rows, float[] into, int at) throws IOException {
            weights.rows(name, firstRow, rows, into, at);
            if (name.equals(probe.tensor())) {
                int columns = Math.toIntExact(shape(name).columns());
                float[] rounded = rounding.round(probe.type(), into, at, rows, columns, probe.importance());
                System.arraycopy(rounded, 0, into, at, rows * columns);
            }
        }

        @Override
        public void close() {}
    }
}
