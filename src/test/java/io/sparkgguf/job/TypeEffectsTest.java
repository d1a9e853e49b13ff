package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.evaluate.Distributions;
import io.sparkgguf.evaluate.Divergence;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What rounding one tensor does to predictions is what a model of which only this tensor is rounded predicts otherwise. */
class TypeEffectsTest {
    private static final long SEED = 5;
    private static final int[] ENDS = {10, 24};

    @TempDir
    private Path folder;

    private RunnableModel model;
    private Passage passage;

    private void open(Fixture fixture) throws IOException {
        model = RunnableModel.of(Checkpoint.open(
                new LocalStorage(), fixture.write(folder.resolve("model")).toString(), null));
        int[] tokens = new Random(SEED).ints(24, 0, model.vocabulary()).toArray();
        passage = new Passage(0, tokens, ENDS);
    }

    /** All weights in memory, one tensor of them rounded as a whole. */
    private MemoryWeights rounded(String name, BlockType type, float[] importance) throws IOException {
        LocalStorage storage = new LocalStorage();
        Checkpoint checkpoint = Checkpoint.open(storage, folder.resolve("model").toString(), null);
        MemoryWeights memory = new MemoryWeights();
        try (WeightSource source = model.open(storage)) {
            for (ModelTensor tensor : checkpoint.model().tensors()) {
                int columns = (int) tensor.shape().columns();
                int rows = (int) (tensor.shape().elements() / columns);
                float[] values = new float[rows * columns];
                source.rows(tensor.name(), 0, rows, values, 0);
                if (tensor.name().equals(name)) {
                    BlockFormat format = BlockFormats.of(type);
                    byte[] blocks = new byte[(int) type.bytes(values.length)];
                    format.encode(values, 0, rows, columns, importance, 0, blocks, 0);
                    format.decode(blocks, 0, values.length, values, 0);
                }
                memory.put(tensor.name(), tensor.shape(), values);
            }
        }
        return memory;
    }

    private Distributions predictions(WeightSource weights) throws IOException {
        Decoder decoder = model.decoder(weights);
        int tokens = passage.tokens().length;
        float[] hidden = new float[tokens * decoder.width()];
        decoder.embed(passage.tokens(), 0, tokens, hidden);
        for (int block = 0; block < decoder.blocks(); block++) {
            decoder.block(block, hidden, ENDS, BlockObserver.NONE, null);
        }
        Distributions all = new Distributions(tokens, model.vocabulary());
        decoder.logits(hidden, 0, tokens, all.logits());
        all.normalize(tokens, "model");
        return all;
    }

    private double expected(TypeEffects.Probe probe) throws IOException {
        Distributions as = predictions(rounded(null, null, null));
        Distributions rounded = predictions(rounded(probe.tensor(), probe.type(), probe.importance()));
        Divergence divergence = new Divergence(passage.tokens().length);
        for (int i = 0; i < passage.tokens().length; i++) {
            divergence.add(as, rounded, i, 0);
        }
        return divergence.kld().mean() * passage.tokens().length;
    }

    @ParameterizedTest
    @CsvSource({
        "LLAMA, 0, blk.0.attn_q.weight blk.0.ffn_down.weight blk.0.attn_output.weight",
        "LLAMA, 1, blk.1.attn_k.weight blk.1.ffn_gate.weight",
        "LLAMA, -1, token_embd.weight",
        "LLAMA, 2, output.weight",
        "LLAMA3_ROPE_SCALED_TIED, -1, token_embd.weight",
    })
    void equalsTheDivergenceOfAModelWithThatTensorRounded(Fixture fixture, int block, String names) throws IOException {
        open(fixture);
        ArrayList<TypeEffects.Probe> probes = new ArrayList<>();
        for (String name : names.split(" ")) {
            int columns = (int) model.weights().shape(name).columns();
            float[] importance = new float[columns];
            for (int c = 0; c < columns; c++) {
                importance[c] = 1 + c % 7;
            }
            BlockType type = columns % 256 == 0 ? BlockType.Q2_K : BlockType.Q4_0;
            probes.add(new TypeEffects.Probe(name, type, probes.isEmpty() ? importance : null));
        }
        TypeEffects effects =
                new TypeEffects(new LocalStorage(), model, new BlendedWeights(model.weights(), null, false));
        TypeEffects.Divergences found = effects.run(new TypeEffects.Item(block, 0, passage, probes));
        assertEquals(24, found.tokens());
        for (int i = 0; i < probes.size(); i++) {
            double expected = expected(probes.get(i));
            assertTrue(expected > 0, probes.get(i).tensor() + ": no effect at all, seed " + SEED);
            assertEquals(
                    expected, found.sums()[i], 1e-9 * expected, probes.get(i).tensor() + ", seed " + SEED);
        }
    }

    /** What is beside it in a batch changes nothing. */
    @ParameterizedTest
    @CsvSource({"blk.0.attn_v.weight", "blk.0.ffn_up.weight"})
    void isTheSameAloneAndBesideOthers(String name) throws IOException {
        open(Fixture.LLAMA);
        TypeEffects effects =
                new TypeEffects(new LocalStorage(), model, new BlendedWeights(model.weights(), null, false));
        TypeEffects.Probe probe = new TypeEffects.Probe(name, BlockType.Q4_0, null);
        TypeEffects.Probe other = new TypeEffects.Probe("blk.0.ffn_down.weight", BlockType.Q4_0, null);
        double alone = effects.run(new TypeEffects.Item(0, 0, passage, new ArrayList<>(List.of(probe))))
                .sums()[0];
        double beside = effects.run(new TypeEffects.Item(0, 0, passage, new ArrayList<>(List.of(other, probe))))
                .sums()[1];
        assertEquals(alone, beside);
    }
}
