package io.sparkgguf.model.forward;

import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.fixtures.TensorEntry;
import io.sparkgguf.model.CheckpointMapping;
import io.sparkgguf.model.HfConfig;
import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A fixture as GGUF sees it, with its weights in memory. */
public final class FixtureModel {
    private FixtureModel() {}

    /** Metadata, without the tokenizer's, and tensors. */
    public static Model model(Fixture fixture) {
        List<TensorLocation> stored = new ArrayList<>();
        for (TensorEntry tensor : fixture.tensors()) {
            stored.add(new TensorLocation(
                    tensor.name(), tensor.dtype(), tensor.shape(), "model.safetensors", 0, tensor.bytes()));
        }
        return CheckpointMapping.map(config(fixture), Optional.empty(), fixture.id(), stored);
    }

    private static HfConfig config(Fixture fixture) {
        String path = "/fixtures/" + fixture.id() + "/config.json";
        try (InputStream in = FixtureModel.class.getResourceAsStream(path)) {
            return HfConfig.parse("config.json", in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All weights, rows in GGUF's order. */
    public static MemoryWeights weights(Fixture fixture) {
        MemoryWeights weights = new MemoryWeights();
        for (ModelTensor tensor : model(fixture).tensors()) {
            weights.put(tensor.name(), tensor.shape(), values(fixture, tensor));
        }
        return weights;
    }

    private static float[] values(Fixture fixture, ModelTensor tensor) {
        if (tensor.source() instanceof ModelTensor.Computed computed) {
            return computed.values();
        }
        ModelTensor.Stored stored = (ModelTensor.Stored) tensor.source();
        float[] from = fixture.weights(stored.parts().get(0).name());
        int unit = tensor.shape().rank() == 1 ? 1 : (int) tensor.shape().columns();
        float[] to = new float[from.length];
        for (int row = 0; row < to.length / unit; row++) {
            System.arraycopy(from, (int) stored.order().sourceRow(row) * unit, to, row * unit, unit);
        }
        return to;
    }

    public static DecoderConfig config(Model model, WeightSource weights) {
        return DecoderConfig.of(model.architecture(), model.metadata(), weights::has);
    }

    public static Decoder decoder(Fixture fixture) throws IOException {
        WeightSource weights = weights(fixture);
        return new Decoder(config(model(fixture), weights), weights);
    }
}
