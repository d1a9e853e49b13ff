package io.sparkgguf.format.gguf;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Shape;
import java.io.Serializable;

/**
 * One entry of the tensor table.
 *
 * @param shape dimensions, outermost first (the file has them the other way round), as given: dimensions of 1 stay
 * @param offset first byte, counted from the start of the data section
 */
public record GgufTensor(String name, Shape shape, BlockType type, long offset) implements Serializable {

    /** Bytes without the padding that follows. */
    public long bytes() {
        return type.bytes(shape.elements());
    }

    /** One past the last byte, without padding, counted from the start of the data section. */
    long end() {
        return Math.addExact(offset, bytes());
    }
}
