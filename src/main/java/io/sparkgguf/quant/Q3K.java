package io.sparkgguf.quant;

import io.sparkgguf.kernel.Q3KEncoder;
import io.sparkgguf.kernel.SymmetricDecoder;
import io.sparkgguf.tensor.BlockType;

/** Q3_K: levels -4 to 3, sub-blocks of 16 with 6-bit scales, super-blocks of 256; 3.4375 bits a weight. */
public final class Q3K extends SearchedFormat {
    private static final int SCALE_AT = 108;

    /** Encodes in vectors. */
    public Q3K() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public Q3K(boolean vector) {
        super(BlockType.Q3_K, SCALE_AT, vector ? Q3KEncoder::vector : Q3KEncoder::scalar, SymmetricDecoder::q3K);
    }
}
