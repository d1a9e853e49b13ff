package io.sparkgguf.tensor;

/**
 * How the elements of a tensor lie in bytes: a scalar {@link DType} of a checkpoint, or a {@link BlockType} of a GGUF
 * file. A tensor's bytes are whole blocks, row after row; no block crosses a row.
 */
public sealed interface Encoding permits DType, BlockType {

    /** The name its file format gives it, for example {@code BF16} or {@code Q4_K}. */
    String label();

    /** Elements of one block; 1 for scalars. */
    int blockElements();

    /** Bytes of one block. */
    int blockBytes();

    /**
     * Bytes of {@code elements} elements.
     *
     * @throws IllegalArgumentException when {@code elements} is negative or not a whole number of blocks
     * @throws ArithmeticException when the answer does not fit a long
     */
    default long bytes(long elements) {
        if (elements < 0 || elements % blockElements() != 0) {
            throw new IllegalArgumentException("Cannot size " + elements + " elements of " + label()
                    + ": a block holds " + blockElements() + " elements");
        }
        return Math.multiplyExact(elements / blockElements(), (long) blockBytes());
    }

    /** Bits of storage for each element, scales included. */
    default double bitsPerElement() {
        return 8.0 * blockBytes() / blockElements();
    }
}
