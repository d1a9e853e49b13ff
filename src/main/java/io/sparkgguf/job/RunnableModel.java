package io.sparkgguf.job;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;

/**
 * A model that tasks can run: small, whatever the size of its weights.
 *
 * @param name as the user named it
 * @param config what its forward pass must know
 * @param weights where its weights lie
 * @param vocabulary tokens that it knows: rows of its embedding
 */
record RunnableModel(String name, DecoderConfig config, ModelWeights weights, int vocabulary) implements Serializable {

    /**
     * Looks at headers only.
     *
     * @throws InvalidInputException when the forward pass does not know the model
     */
    static RunnableModel of(Checkpoint checkpoint) {
        ModelWeights weights = ModelWeights.of(checkpoint.model());
        DecoderConfig config = DecoderConfig.of(
                checkpoint.model().architecture(), checkpoint.model().metadata(), weights::has);
        if (!weights.has("token_embd.weight")) {
            throw new InvalidInputException(
                    "Cannot run " + checkpoint.location() + ": it has no tensor token_embd.weight");
        }
        long vocabulary = weights.shape("token_embd.weight").rows();
        if (vocabulary < 1 || vocabulary > Integer.MAX_VALUE) {
            throw new InvalidInputException(
                    "Cannot run " + checkpoint.location() + ": its embedding has " + vocabulary + " rows");
        }
        return new RunnableModel(checkpoint.location(), config, weights, (int) vocabulary);
    }

    /** Opens the weights for a task; the caller closes them. */
    WeightSource open(Storage storage) {
        return weights.open(storage);
    }

    Decoder decoder(WeightSource opened) throws IOException {
        return new Decoder(config, opened);
    }
}
