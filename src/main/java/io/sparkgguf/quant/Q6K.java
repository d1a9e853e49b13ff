package io.sparkgguf.quant;

import io.sparkgguf.kernel.Q6KEncoder;
import io.sparkgguf.kernel.SymmetricDecoder;
import io.sparkgguf.tensor.BlockType;

/** Q6_K: levels -32 to 31, sub-blocks of 16 with 8-bit scales, super-blocks of 256; 6.5625 bits a weight. */
public final class Q6K extends SearchedFormat {
    private static final int SCALE_AT = 208;

    /** Encodes in vectors. */
    public Q6K() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public Q6K(boolean vector) {
        super(BlockType.Q6_K, SCALE_AT, vector ? Q6KEncoder::vector : Q6KEncoder::scalar, SymmetricDecoder::q6K);
    }
}
