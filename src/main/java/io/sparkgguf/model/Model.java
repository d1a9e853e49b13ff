package io.sparkgguf.model;

import io.sparkgguf.tensor.Metadata;
import java.util.List;

/**
 * A checkpoint as GGUF sees it: metadata and tensors under GGUF's names, before any type is chosen.
 *
 * @param architecture GGUF's name of it, for example {@code llama}
 * @param metadata all that the file will say of the model: general, architecture and tokenizer keys
 * @param tensors in no particular order
 */
public record Model(String architecture, Metadata metadata, List<ModelTensor> tensors) {
    public Model {
        tensors = List.copyOf(tensors);
    }
}
