package io.sparkgguf.kernel;

/**
 * The levels of one block as bytes without sign, from 0 up, and back into the block, whose other bits stay: the symmetric
 * types, and those of blocks of 32.
 *
 * <p>All methods move from the first array to the second: the levels of a whole block, in the order of its weights.
 * Eight levels pass at a time, one a byte of a long.
 */
public final class BlockLevels {
    private static final long ONES = 0x0101010101010101L;
    private static final long TWO_BITS = 3 * ONES;
    private static final long NIBBLES = 15 * ONES;
    private static final int LOW_OF_Q3 = 32;
    private static final int HIGH_OF_Q6 = 128;

    private BlockLevels() {}

    /** Q3_K: 32 bytes of third bits, one of the eight runs of 32 weights a bit; then 64 of low bits, four weights a byte. */
    public static void unpackQ3K(byte[] block, int at, byte[] levels, int to) {
        for (int l = 0; l < 32; l += 8) {
            long high = ByteLanes.getLong(block, at + l);
            for (int n = 0; n < 2; n++) {
                long low = ByteLanes.getLong(block, at + LOW_OF_Q3 + 32 * n + l);
                for (int s = 0; s < 4; s++) {
                    long q = low >>> 2 * s & TWO_BITS | (high >>> 4 * n + s & ONES) << 2;
                    ByteLanes.putLong(levels, to + 128 * n + 32 * s + l, q);
                }
            }
        }
    }

    public static void packQ3K(byte[] levels, int at, byte[] block, int to) {
        for (int l = 0; l < 32; l += 8) {
            long high = 0;
            for (int n = 0; n < 2; n++) {
                long low = 0;
                for (int s = 0; s < 4; s++) {
                    long q = ByteLanes.getLong(levels, at + 128 * n + 32 * s + l);
                    low |= (q & TWO_BITS) << 2 * s;
                    high |= (q >>> 2 & ONES) << 4 * n + s;
                }
                ByteLanes.putLong(block, to + LOW_OF_Q3 + 32 * n + l, low);
            }
            ByteLanes.putLong(block, to + l, high);
        }
    }

    /** Q6_K: 128 bytes of low nibbles, 64 of the upper two bits; in each half, weights 32 apart share bytes. */
    public static void unpackQ6K(byte[] block, int at, byte[] levels, int to) {
        for (int n = 0; n < 2; n++) {
            for (int l = 0; l < 32; l += 8) {
                long low0 = ByteLanes.getLong(block, at + 64 * n + l);
                long low1 = ByteLanes.getLong(block, at + 64 * n + 32 + l);
                long high = ByteLanes.getLong(block, at + HIGH_OF_Q6 + 32 * n + l);
                int first = to + 128 * n + l;
                ByteLanes.putLong(levels, first, low0 & NIBBLES | (high & TWO_BITS) << 4);
                ByteLanes.putLong(levels, first + 32, low1 & NIBBLES | (high >>> 2 & TWO_BITS) << 4);
                ByteLanes.putLong(levels, first + 64, low0 >>> 4 & NIBBLES | (high >>> 4 & TWO_BITS) << 4);
                ByteLanes.putLong(levels, first + 96, low1 >>> 4 & NIBBLES | (high >>> 6 & TWO_BITS) << 4);
            }
        }
    }

    public static void packQ6K(byte[] levels, int at, byte[] block, int to) {
        for (int n = 0; n < 2; n++) {
            for (int l = 0; l < 32; l += 8) {
                int first = at + 128 * n + l;
                long q0 = ByteLanes.getLong(levels, first);
                long q1 = ByteLanes.getLong(levels, first + 32);
                long q2 = ByteLanes.getLong(levels, first + 64);
                long q3 = ByteLanes.getLong(levels, first + 96);
                ByteLanes.putLong(block, to + 64 * n + l, q0 & NIBBLES | (q2 & NIBBLES) << 4);
                ByteLanes.putLong(block, to + 64 * n + 32 + l, q1 & NIBBLES | (q3 & NIBBLES) << 4);
                ByteLanes.putLong(
                        block,
                        to + HIGH_OF_Q6 + 32 * n + l,
                        q0 >>> 4 & TWO_BITS
                                | (q1 >>> 4 & TWO_BITS) << 2
                                | (q2 >>> 4 & TWO_BITS) << 4
                                | (q3 >>> 4 & TWO_BITS) << 6);
            }
        }
    }
}
