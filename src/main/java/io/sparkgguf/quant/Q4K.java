package io.sparkgguf.quant;

import io.sparkgguf.kernel.AsymmetricSpec;
import io.sparkgguf.tensor.BlockType;

/**
 * Q4_K: levels of 4 bits, sub-blocks of 32, codes of 6 bits; 4.5 bits a weight.
 *
 * <p>A block's bytes: d 0, dmin 2, codes 4 to 15, levels 16 to 143. Byte l of the 32 for each 64 weights holds that at l
 * in its low nibble and that at l + 32 in its high nibble.
 */
public final class Q4K extends AsymmetricKQuant {
    private static final int LEVELS_AT = 16;
    private static final long NIBBLES = 0x0f0f0f0f0f0f0f0fL;

    /** Encodes in vectors. */
    public Q4K() {
        this(true);
    }

    /** Encodes in vectors, or by the scalar definition: the same bytes, slowly. */
    public Q4K(boolean vector) {
        super(BlockType.Q4_K, AsymmetricSpec.Q4_K, 0, 4, vector);
    }

    @Override
    public void pack(byte[] levels, int levelsAt, byte[] blocks, int blockAt) {
        for (int pair = 0; pair < 4; pair++) {
            for (int l = 0; l < 32; l += 8) {
                int from = levelsAt + 64 * pair + l;
                long packed = (long) LONGS.get(levels, from) | (long) LONGS.get(levels, from + 32) << 4;
                LONGS.set(blocks, blockAt + LEVELS_AT + 32 * pair + l, packed);
            }
        }
    }

    @Override
    public void unpack(byte[] blocks, int blockAt, byte[] levels, int levelsAt) {
        for (int pair = 0; pair < 4; pair++) {
            for (int l = 0; l < 32; l += 8) {
                long packed = (long) LONGS.get(blocks, blockAt + LEVELS_AT + 32 * pair + l);
                int to = levelsAt + 64 * pair + l;
                LONGS.set(levels, to, packed & NIBBLES);
                LONGS.set(levels, to + 32, packed >>> 4 & NIBBLES);
            }
        }
    }
}
