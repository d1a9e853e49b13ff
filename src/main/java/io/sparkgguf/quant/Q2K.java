package io.sparkgguf.quant;

import io.sparkgguf.kernel.AsymmetricSpec;
import io.sparkgguf.tensor.BlockType;

/**
 * Q2_K: levels of 2 bits, sub-blocks of 16, codes of 4 bits; 2.625 bits a weight.
 *
 * <p>A block's bytes: codes 0 to 15 (one sub-block each, scale low, minimum high), levels 16 to 79, d 80, dmin 82. Byte l
 * of the 32 for each half of 128 weights holds those at l, l + 32, l + 64 and l + 96, the first lowest.
 */
public final class Q2K extends AsymmetricKQuant {
    private static final int LEVELS_AT = 16;
    private static final long LEVEL_BITS = 0x0303030303030303L;

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
        for (int half = 0; half < 2; half++) {
            for (int l = 0; l < 32; l += 8) {
                int from = levelsAt + 128 * half + l;
                long packed = (long) LONGS.get(levels, from)
                        | (long) LONGS.get(levels, from + 32) << 2
                        | (long) LONGS.get(levels, from + 64) << 4
                        | (long) LONGS.get(levels, from + 96) << 6;
                LONGS.set(blocks, blockAt + LEVELS_AT + 32 * half + l, packed);
            }
        }
    }

    @Override
    public void unpack(byte[] blocks, int blockAt, byte[] levels, int levelsAt) {
        for (int half = 0; half < 2; half++) {
            for (int l = 0; l < 32; l += 8) {
                long packed = (long) LONGS.get(blocks, blockAt + LEVELS_AT + 32 * half + l);
                int to = levelsAt + 128 * half + l;
                LONGS.set(levels, to, packed & LEVEL_BITS);
                LONGS.set(levels, to + 32, packed >>> 2 & LEVEL_BITS);
                LONGS.set(levels, to + 64, packed >>> 4 & LEVEL_BITS);
                LONGS.set(levels, to + 96, packed >>> 6 & LEVEL_BITS);
            }
        }
    }
}
