package io.sparkgguf.validate;

import io.sparkgguf.tensor.BlockType;
import java.io.Serializable;
import java.util.List;

/**
 * A tensor in a finished file, to be read back and checked.
 *
 * @param name of the tensor
 * @param type how it is stored
 * @param file that holds it
 * @param offset first byte
 * @param bytes length without padding
 * @param expected slices whose digests are known, in order, covering the tensor; empty when nothing is known
 */
public record TensorRange(String name, BlockType type, String file, long offset, long bytes, List<Slice> expected)
        implements Serializable {

    public TensorRange {
        expected = List.copyOf(expected);
    }

    /** So many bytes and the xxHash64 that they had when they were encoded. */
    public record Slice(long bytes, long digest) implements Serializable {}
}
