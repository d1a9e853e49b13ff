package io.sparkgguf.quant;

import io.sparkgguf.kernel.IQ4Encoder;
import io.sparkgguf.kernel.SymmetricDecoder;
import io.sparkgguf.tensor.BlockType;

/** IQ4_XS: the unequal levels of IQ4_NL, sub-blocks of 32 with 6-bit scales, super-blocks of 256; 4.25 bits a weight. */
public final class IQ4XS extends SearchedFormat {
    private static final int SCALE_AT = 0;

    /** Encodes in vectors. */
    public IQ4XS() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public IQ4XS(boolean vector) {
        super(
                BlockType.IQ4_XS,
                SCALE_AT,
                vector ? IQ4Encoder::vectorXS : IQ4Encoder::scalarXS,
                SymmetricDecoder::iq4XS);
    }
}
