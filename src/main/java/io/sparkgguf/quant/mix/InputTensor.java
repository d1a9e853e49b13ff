package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.Shape;
import java.util.Objects;

/**
 * A tensor before its type is chosen.
 *
 * @param name GGUF name
 * @param shape outermost first
 * @param encoding how its values are stored now
 * @param keepAs the type it has whatever is asked (a norm of a Hugging Face checkpoint becomes F32), or null when
 *     the rules decide
 */
public record InputTensor(String name, Shape shape, Encoding encoding, BlockType keepAs) {
    public InputTensor {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(shape, "shape");
        Objects.requireNonNull(encoding, "encoding");
    }

    public InputTensor(String name, Shape shape, Encoding encoding) {
        this(name, shape, encoding, null);
    }

    /** Dimensions without outer ones of size 1, as ggml counts them; at least 1. */
    int ggmlRank() {
        int outer = 0;
        while (outer < shape.rank() - 1 && shape.dimension(outer) == 1) {
            outer++;
        }
        return Math.max(1, shape.rank() - outer);
    }

    /** Whether it stacks matrices, one for each expert for example. */
    boolean isStack() {
        return shape.rank() >= 3 && shape.dimension(shape.rank() - 3) > 1;
    }
}
