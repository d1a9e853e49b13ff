package io.sparkgguf.quant;

import io.sparkgguf.kernel.AsymmetricSpec;
import io.sparkgguf.tensor.BlockType;

/**
 * Q5_K: levels of 5 bits, sub-blocks of 32, codes of 6 bits; 5.5 bits a weight.
 *
 * <p>A block's bytes: d 0, dmin 2, codes 4 to 15, fifth bits 16 to 47, lower four 48 to 175. Bit j of fifth-bit byte l
 * belongs to weight l of sub-block j; the lower bits lie as in {@link Q4K}.
 */
public final class Q5K extends AsymmetricKQuant {
    private static final int FIFTH_BITS_AT = 16;
    private static final int NIBBLES_AT = 48;
    private static final long NIBBLES = 0x0f0f0f0f0f0f0f0fL;
    private static final long ONES = 0x0101010101010101L;

    /** Encodes in vectors. */
    public Q5K() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public Q5K(boolean vector) {
        super(BlockType.Q5_K, AsymmetricSpec.Q5_K, 0, 4, vector);
    }

    @Override
    public void pack(byte[] levels, int levelsAt, byte[] blocks, int blockAt) {
        for (int l = 0; l < 32; l += 8) {
            long fifth = 0;
            for (int pair = 0; pair < 4; pair++) {
                long low = (long) LONGS.get(levels, levelsAt + 64 * pair + l);
                long high = (long) LONGS.get(levels, levelsAt + 64 * pair + 32 + l);
                LONGS.set(blocks, blockAt + NIBBLES_AT + 32 * pair + l, low & NIBBLES | (high & NIBBLES) << 4);
                fifth |= (low >>> 4 & ONES | (high >>> 4 & ONES) << 1) << 2 * pair;
            }
            LONGS.set(blocks, blockAt + FIFTH_BITS_AT + l, fifth);
        }
    }

    @Override
    public void unpack(byte[] blocks, int blockAt, byte[] levels, int levelsAt) {
        for (int l = 0; l < 32; l += 8) {
            long fifth = (long) LONGS.get(blocks, blockAt + FIFTH_BITS_AT + l);
            for (int pair = 0; pair < 4; pair++) {
                long packed = (long) LONGS.get(blocks, blockAt + NIBBLES_AT + 32 * pair + l);
                int to = levelsAt + 64 * pair + l;
                LONGS.set(levels, to, packed & NIBBLES | (fifth >>> 2 * pair & ONES) << 4);
                LONGS.set(levels, to + 32, packed >>> 4 & NIBBLES | (fifth >>> 2 * pair + 1 & ONES) << 4);
            }
        }
    }
}
