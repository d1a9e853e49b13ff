package io.sparkgguf.model;

import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.Serializable;
import java.util.List;

/**
 * One tensor of the GGUF file to be, and where its values come from.
 *
 * @param name GGUF name, for example {@code blk.0.attn_q.weight}
 * @param shape outermost first
 * @param source where the values come from
 */
public record ModelTensor(String name, Shape shape, Source source) {

    /** Where a tensor's values come from. */
    public sealed interface Source extends Serializable {
        /** How the values are stored, the widest where parts differ. */
        Encoding encoding();
    }

    /**
     * Stored tensors, stacked along the rows in order (one for a dense tensor, one for each expert of a stack), each
     * with the rows put in {@code order}.
     */
    public record Stored(List<TensorLocation> parts, RowOrder order) implements Source {
        public Stored {
            parts = List.copyOf(parts);
            if (parts.isEmpty()) {
                throw new IllegalArgumentException("Cannot build a tensor of no parts");
            }
        }

        @Override
        public Encoding encoding() {
            return parts.get(0).encoding();
        }
    }

    /** Values that follow from the configuration, for example the frequency factors of llama3 rope. */
    public record Computed(float[] values) implements Source {
        @Override
        public Encoding encoding() {
            return io.sparkgguf.tensor.BlockType.F32;
        }
    }

    public Encoding encoding() {
        return source.encoding();
    }
}
