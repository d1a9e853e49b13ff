package io.sparkgguf.validate;

import io.sparkgguf.tensor.BlockType;
import java.io.Serializable;
import java.util.List;

/**
 * A tensor in a finished file, to be read back and checked.
 *
 * @param name of the tensor
 * @param type how it is stored
 * @param file that holds it, or will
 * @param offset first byte there
 * @param bytes length without padding
 * @param expected slices whose digests are known, in order, covering the tensor; empty when nothing is known
 */
public record TensorRange(String name, BlockType type, String file, long offset, long bytes, List<Slice> expected)
        implements Serializable {

    public TensorRange {
        expected = List.copyOf(expected);
    }

    /**
     * Some rows.
     *
     * @param bytes how many they are
     * @param digest the xxHash64 that they had when they were encoded
     * @param file that holds them and nothing else; null when they are read from the tensor's file. Either all slices of
     *     a tensor have one or none has
     */
    public record Slice(long bytes, long digest, String file) implements Serializable {}
}
