package io.sparkgguf.quant;

import io.sparkgguf.kernel.AsymmetricSpec;
import io.sparkgguf.kernel.BlockLevels;
import io.sparkgguf.tensor.BlockType;

/**
 * Q2_K: levels of 2 bits, sub-blocks of 16, codes of 4 bits; 2.625 bits a weight.
 *
 * <p>A block's bytes: codes 0 to 15 (one sub-block each, scale low, minimum high), levels 16 to 79, d 80, dmin 82. Byte l
 * of the 32 for each half of 128 weights holds those at l, l + 32, l + 64 and l + 96, the first lowest.
 */
public final class Q2K extends AsymmetricKQuant {
    private static final int LEVELS_AT = 16;

    /** Encodes in vectors. */
    public Q2K() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public Q2K(boolean vector) {
        super(BlockType.Q2_K, AsymmetricSpec.Q2_K, 80, 0, vector);
    }

    @Override
    public void pack(byte[] levels, int levelsAt, byte[] blocks, int blockAt) {
        BlockLevels.packTwoBits(levels, levelsAt, blocks, blockAt + LEVELS_AT);
    }

    @Override
    public void unpack(byte[] blocks, int blockAt, byte[] levels, int levelsAt) {
        BlockLevels.unpackTwoBits(blocks, blockAt + LEVELS_AT, levels, levelsAt);
    }
}
