package io.sparkgguf.quant;

import io.sparkgguf.kernel.IQ4Encoder;
import io.sparkgguf.kernel.SymmetricDecoder;
import io.sparkgguf.tensor.BlockType;

/** IQ4_NL: sixteen unequal levels, one scale for a block of 32; 4.5 bits a weight. */
public final class IQ4NL extends SearchedFormat {
    private static final int SCALE_AT = 0;

    /** Encodes in vectors. */
    public IQ4NL() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public IQ4NL(boolean vector) {
        super(
                BlockType.IQ4_NL,
                SCALE_AT,
                vector ? IQ4Encoder::vectorNL : IQ4Encoder::scalarNL,
                SymmetricDecoder::iq4NL);
    }
}
