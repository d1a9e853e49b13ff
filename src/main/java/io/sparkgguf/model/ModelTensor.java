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
     * with the rows put in {@code order}. Of a tensor of one dimension, a bias, {@code order} means the elements: there is
     * one for each row of the weight it belongs to.
     *
     * @param ternary how what is stored becomes the weights of a BitNet layer, or null when it is the weights
     */
    public record Stored(List<TensorLocation> parts, RowOrder order, TernarySource ternary) implements Source {
        /** Weights as they are stored. */
        public Stored(List<TensorLocation> parts, RowOrder order) {
            this(parts, order, null);
        }

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

    /**
     * Whether a GGUF made from a checkpoint holds it as F32, whatever type is asked for: vectors, norms, biases, scales,
     * the routers of experts. llama.cpp's graphs want them so.
     */
    public boolean keepsF32() {
        return shape.rank() <= 1
                || !name.endsWith(".weight")
                || name.endsWith("_norm.weight")
                || name.endsWith(".ffn_gate_inp.weight")
                || name.endsWith(".ffn_gate_inp_shexp.weight");
    }
}
