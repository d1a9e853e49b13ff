package io.sparkgguf.validate;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Shape;
import java.util.Objects;

/**
 * A tensor of the model under check.
 *
 * @param name as in the file
 * @param shape outermost first
 * @param type how its elements are stored
 */
public record TensorEntry(String name, Shape shape, BlockType type) {
    public TensorEntry {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(shape, "shape");
        Objects.requireNonNull(type, "type");
    }
}
