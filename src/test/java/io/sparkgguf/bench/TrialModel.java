package io.sparkgguf.bench;

import io.sparkgguf.evaluate.Distributions;
import io.sparkgguf.evaluate.Divergence;
import io.sparkgguf.evaluate.Scored;
import io.sparkgguf.format.safetensors.SafetensorsCheckpoint;
import io.sparkgguf.model.CheckpointMapping;
import io.sparkgguf.model.HfConfig;
import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.tokenizer.TextTokenizer;
import io.sparkgguf.model.tokenizer.TokenizerFiles;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A small model of the Hugging Face kind in memory, with its tokenizer, and how far a student of it is from it. */
final class TrialModel {
    final DecoderConfig config;
    final MemoryWeights original = new MemoryWeights();
    final List<String> names = new ArrayList<>();
    private final TextTokenizer tokenizer;
    private final int bos;

    /** @param bos token that each sequence begins with */
    TrialModel(String folder, int bos) throws IOException {
        this.bos = bos;
        Storage storage = new LocalStorage();
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.open(storage, folder);
        HfConfig hf = HfConfig.parse("config.json", Files.readAllBytes(Path.of(folder, "config.json")));
        Model model = CheckpointMapping.map(hf, Optional.empty(), "trial", checkpoint.tensors());
        for (ModelTensor tensor : model.tensors()) {
            original.put(tensor.name(), tensor.shape(), values(tensor));
            names.add(tensor.name());
        }
        config = DecoderConfig.of(model.architecture(), model.metadata(), original::has);
        tokenizer = TextTokenizer.open(TokenizerFiles.read(storage, folder));
    }

    private static float[] values(ModelTensor tensor) throws IOException {
        if (tensor.source() instanceof ModelTensor.Computed computed) {
            return computed.values();
        }
        ModelTensor.Stored stored = (ModelTensor.Stored) tensor.source();
        TensorLocation at = stored.parts().get(0);
        byte[] bytes = Files.readAllBytes(Path.of(at.file()));
        float[] from = new float[Math.toIntExact(tensor.shape().elements())];
        BlockFormats.of(at.encoding()).decode(bytes, Math.toIntExact(at.offset()), from.length, from, 0);
        int unit = tensor.shape().rank() == 1 ? 1 : (int) tensor.shape().columns();
        float[] to = new float[from.length];
        for (int row = 0; row < to.length / unit; row++) {
            System.arraycopy(from, (int) stored.order().sourceRow(row) * unit, to, row * unit, unit);
        }
        return to;
    }

    /** A copy of a tensor's values. */
    float[] values(String name) {
        Shape shape = original.shape(name);
        float[] values = new float[Math.toIntExact(shape.elements())];
        original.rows(name, 0, shape.rank() == 1 ? 1 : Math.toIntExact(shape.rows()), values, 0);
        return values;
    }

    /** Whole sequences of a text, each with its first token replaced. */
    List<int[]> sequences(String file, int size, int most) throws IOException {
        int[] ids = tokenizer.ids(Files.readString(Path.of(file)));
        List<int[]> sequences = new ArrayList<>();
        for (int at = 0; at + size <= ids.length && sequences.size() < most; at += size) {
            int[] sequence = Arrays.copyOfRange(ids, at, at + size);
            sequence[0] = bos;
            sequences.add(sequence);
        }
        return sequences;
    }

    /** Prints the divergence of a student on a text in contexts of 512 tokens, of which the second half counts. */
    void evaluate(WeightSource student, String file, int most) throws IOException {
        int context = 512;
        Decoder base = new Decoder(config, original);
        Decoder model = new Decoder(config, student);
        Divergence all = null;
        int scored = Scored.count(context);
        Distributions baseRows = new Distributions(scored, base.vocabulary());
        Distributions modelRows = new Distributions(scored, base.vocabulary());
        for (int[] sequence : sequences(file, context, most)) {
            logits(base, sequence, baseRows);
            logits(model, sequence, modelRows);
            Divergence one = new Divergence(scored);
            for (int i = 0; i < scored; i++) {
                one.add(baseRows, modelRows, i, sequence[Scored.first(context) + i + 1]);
            }
            if (all == null) {
                all = one;
            } else {
                all.merge(one);
            }
        }
        System.out.printf(
                Locale.ROOT,
                "mean KLD %.5f (+- %.5f), perplexity %.3f, base %.3f%n",
                all.kld().mean(),
                all.kld().error(),
                all.model().perplexity(),
                all.base().perplexity());
    }

    private void logits(Decoder decoder, int[] sequence, Distributions rows) throws IOException {
        float[] hidden = new float[sequence.length * config.width()];
        decoder.embed(sequence, 0, sequence.length, hidden);
        for (int block = 0; block < config.blocks(); block++) {
            decoder.block(block, hidden, new int[] {sequence.length}, (b, i, x, t, c) -> {}, null);
        }
        int scored = Scored.count(sequence.length);
        decoder.logits(hidden, Scored.first(sequence.length) * config.width(), scored, rows.logits());
        rows.normalize(scored, "model");
    }
}
