package io.sparkgguf.quant;

import io.sparkgguf.tensor.Encoding;

/**
 * Encodes rows of float32 weights into the blocks of one type, and decodes them. Stateless and safe for use by many
 * threads; scratch memory is kept per thread.
 *
 * <p>The bytes depend on the values alone: not on how rows are grouped into calls, the JDK, or the vector width. They
 * equal those of ggml's compiled quantizers on x86-64.
 */
public interface BlockFormat {

    /** What it writes and reads. */
    Encoding encoding();

    /** Whether {@link #encode} works; false for types that are only recognised, sized and copied. */
    boolean encodes();

    /** Whether {@link #decode} works. */
    boolean decodes();

    /** Whether {@link #encode} uses the importance it is given; those that do not ignore it. */
    default boolean usesImportance() {
        return false;
    }

    /**
     * Encodes {@code rows} rows of {@code columns} weights each.
     *
     * @param weights finite values, row after row from {@code weightsAt}
     * @param columns elements of a row, a multiple of the block's elements
     * @param importance null, or {@code columns} non-negative weights from {@code importanceAt}, one a column, the same for every row
     * @param blocks receives {@code rows * encoding().bytes(columns)} bytes from {@code blocksAt}
     * @throws UnsupportedOperationException when {@link #encodes()} is false
     */
    void encode(
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] blocks,
            int blocksAt);

    /**
     * Decodes {@code elements} elements, a whole number of blocks.
     *
     * @throws UnsupportedOperationException when {@link #decodes()} is false
     */
    void decode(byte[] blocks, int blocksAt, int elements, float[] weights, int weightsAt);

    /**
     * The index of the first block among {@code count} whose scales are not finite numbers (or, for scalar types, the
     * first element that is not), by the rules of llama.cpp's loader; -1 when there is none.
     */
    int firstNonFinite(byte[] blocks, int blocksAt, int count);
}
