package io.sparkgguf.validate;

import io.sparkgguf.tensor.Metadata;
import java.util.List;

/**
 * One file of a model that may be split.
 *
 * @param file its name, with or without folders before it
 * @param metadata its own; the first shard's is the model's
 * @param tensors its own
 */
public record Shard(String file, Metadata metadata, List<TensorEntry> tensors) {
    public Shard {
        tensors = List.copyOf(tensors);
    }
}
