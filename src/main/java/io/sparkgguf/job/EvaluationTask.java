package io.sparkgguf.job;

import io.sparkgguf.evaluate.Distributions;
import io.sparkgguf.evaluate.Divergence;
import io.sparkgguf.evaluate.Likelihood;
import io.sparkgguf.evaluate.Scored;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Scores one passage by a base and by models that are compared with it. The hidden states of scored tokens are kept for
 * all models; logits are made for a slab of them at a time, and gone when it is scored.
 */
final class EvaluationTask implements Stage.Task<Passage, EvaluationTask.Scores> {
    private static final long serialVersionUID = 1L;

    /** Bytes of the distributions of a slab, of base and model together, unless a single token takes more. */
    private static final long SLAB_BYTES = 128L << 20;

    private final Storage storage;
    private final RunnableModel base;
    private final ArrayList<RunnableModel> models;

    EvaluationTask(Storage storage, RunnableModel base, List<RunnableModel> models) {
        this.storage = storage;
        this.base = base;
        this.models = new ArrayList<>(models);
    }

    /**
     * What a passage came to, by sequence.
     *
     * @param base by sequence
     * @param models by model, then by sequence
     */
    record Scores(ArrayList<Likelihood> base, ArrayList<ArrayList<Divergence>> models) implements Serializable {}

    /** Bytes that scoring a passage of so many tokens, in sequences of {@code length}, takes at its peak. */
    long memory(int tokens, int length) throws IOException {
        int scored = tokens / length * Scored.count(length);
        long kept = 0;
        long pass = 0;
        long heads = 0;
        for (RunnableModel model : all()) {
            kept += 4L * scored * model.config().width();
            pass = Math.max(pass, 4L * tokens * model.config().width() + running(model, tokens));
            heads += running(model, slabRows(scored));
        }
        return kept + Math.max(pass, heads + 2 * slabRows(scored) * Distributions.rowBytes(base.vocabulary()));
    }

    private long running(RunnableModel model, int tokens) throws IOException {
        try (WeightSource weights = model.open(storage)) {
            return model.weights().memory() + model.decoder(weights).memory(tokens);
        }
    }

    private List<RunnableModel> all() {
        List<RunnableModel> all = new ArrayList<>(List.of(base));
        all.addAll(models);
        return all;
    }

    private int slabRows(int scored) {
        long fit = SLAB_BYTES / 2 / Distributions.rowBytes(base.vocabulary());
        return (int) Math.max(1, Math.min(scored, fit));
    }

    @Override
    public Scores run(Passage passage) throws IOException {
        int[] positions = scoredPositions(passage);
        List<float[]> states = new ArrayList<>();
        for (RunnableModel model : all()) {
            states.add(finalStates(model, passage, positions));
        }
        return score(passage, positions, states);
    }

    private static int[] scoredPositions(Passage passage) {
        int count = 0;
        for (int sequence = 0; sequence < passage.sequences(); sequence++) {
            count += Scored.count(length(passage, sequence));
        }
        int[] positions = new int[count];
        int at = 0;
        for (int sequence = 0; sequence < passage.sequences(); sequence++) {
            int length = length(passage, sequence);
            for (int i = 0; i < Scored.count(length); i++) {
                positions[at++] = passage.start(sequence) + Scored.first(length) + i;
            }
        }
        return positions;
    }

    private static int length(Passage passage, int sequence) {
        return passage.ends()[sequence] - passage.start(sequence);
    }

    /** What the last block leaves at the scored positions. */
    private float[] finalStates(RunnableModel model, Passage passage, int[] positions) throws IOException {
        try (WeightSource weights = model.open(storage)) {
            Decoder decoder = model.decoder(weights);
            int width = decoder.width();
            int tokens = passage.tokens().length;
            float[] hidden = new float[Math.multiplyExact(tokens, width)];
            decoder.embed(passage.tokens(), 0, tokens, hidden);
            for (int block = 0; block < decoder.blocks(); block++) {
                decoder.block(block, hidden, passage.ends(), BlockObserver.NONE, null);
            }
            float[] kept = new float[positions.length * width];
            for (int i = 0; i < positions.length; i++) {
                System.arraycopy(hidden, positions[i] * width, kept, i * width, width);
            }
            return kept;
        }
    }

    private Scores score(Passage passage, int[] positions, List<float[]> states) throws IOException {
        Scores scores = new Scores(new ArrayList<>(), new ArrayList<>());
        models.forEach(model -> scores.models().add(new ArrayList<>()));
        for (int sequence = 0; sequence < passage.sequences(); sequence++) {
            int capacity = Scored.count(length(passage, sequence));
            scores.base().add(new Likelihood());
            scores.models().forEach(list -> list.add(new Divergence(capacity)));
        }
        int rows = slabRows(positions.length);
        Distributions expected = new Distributions(rows, base.vocabulary());
        Distributions actual = models.isEmpty() ? null : new Distributions(rows, base.vocabulary());
        try (Heads heads = new Heads()) {
            for (int from = 0; from < positions.length; from += rows) {
                int count = Math.min(rows, positions.length - from);
                heads.fill(0, states.get(0), from, count, expected);
                for (int i = 0; i < count; i++) {
                    int position = positions[from + i];
                    scores.base().get(sequence(passage, position)).add(expected, i, passage.tokens()[position + 1]);
                }
                for (int model = 0; model < models.size(); model++) {
                    heads.fill(model + 1, states.get(model + 1), from, count, actual);
                    for (int i = 0; i < count; i++) {
                        int position = positions[from + i];
                        scores.models()
                                .get(model)
                                .get(sequence(passage, position))
                                .add(expected, actual, i, passage.tokens()[position + 1]);
                    }
                }
            }
        }
        return scores;
    }

    private static int sequence(Passage passage, int position) {
        int found = java.util.Arrays.binarySearch(passage.ends(), position + 1);
        return found < 0 ? -found - 1 : found;
    }

    /** The output heads of all models, open while slabs are scored. */
    private final class Heads implements AutoCloseable {
        private final List<WeightSource> weights = new ArrayList<>();
        private final List<Decoder> decoders = new ArrayList<>();

        Heads() throws IOException {
            for (RunnableModel model : all()) {
                WeightSource opened = model.open(storage);
                weights.add(opened);
                decoders.add(model.decoder(opened));
            }
        }

        void fill(int model, float[] states, int from, int count, Distributions into) throws IOException {
            Decoder decoder = decoders.get(model);
            decoder.logits(states, from * decoder.width(), count, into.logits());
            into.normalize(count, all().get(model).name());
        }

        @Override
        public void close() throws IOException {
            for (WeightSource opened : weights) {
                opened.close();
            }
        }
    }
}
