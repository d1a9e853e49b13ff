package io.sparkgguf.quant.linear;

import io.sparkgguf.quant.mix.WeightTypes;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Shape;

/**
 * One of GGUF's types.
 *
 * @param type one that weights can be encoded in
 */
public record GgufScheme(BlockType type) implements Scheme {
    public GgufScheme {
        if (!WeightTypes.hasEncoder(type)) {
            throw new IllegalArgumentException("Cannot use scheme " + type + ": it has no encoder");
        }
    }

    @Override
    public String label() {
        return type.label();
    }

    @Override
    public boolean fits(long columns) {
        return columns % type.blockElements() == 0;
    }

    @Override
    public long bytes(Shape shape) {
        return type.bytes(shape.elements());
    }
}
