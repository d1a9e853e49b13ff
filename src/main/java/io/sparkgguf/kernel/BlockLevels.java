package io.sparkgguf.kernel;

/**
 * The levels of one block as bytes without sign, from 0 up, in the order of its weights, and back into the block, whose
 * other bits stay. All methods move from the first array to the second; mostly eight levels at a time, one a byte of a long.
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

    /** Q2_K and TQ2_0: for each half of 128 weights 32 bytes, byte l with those at l, l + 32, l + 64 and l + 96, the first lowest. */
    public static void unpackTwoBits(byte[] bytes, int at, byte[] levels, int to) {
        for (int half = 0; half < 2; half++) {
            for (int l = 0; l < 32; l += 8) {
                long packed = ByteLanes.getLong(bytes, at + 32 * half + l);
                int first = to + 128 * half + l;
                ByteLanes.putLong(levels, first, packed & TWO_BITS);
                ByteLanes.putLong(levels, first + 32, packed >>> 2 & TWO_BITS);
                ByteLanes.putLong(levels, first + 64, packed >>> 4 & TWO_BITS);
                ByteLanes.putLong(levels, first + 96, packed >>> 6 & TWO_BITS);
            }
        }
    }

    public static void packTwoBits(byte[] levels, int at, byte[] bytes, int to) {
        for (int half = 0; half < 2; half++) {
            for (int l = 0; l < 32; l += 8) {
                int first = at + 128 * half + l;
                long packed = ByteLanes.getLong(levels, first)
                        | ByteLanes.getLong(levels, first + 32) << 2
                        | ByteLanes.getLong(levels, first + 64) << 4
                        | ByteLanes.getLong(levels, first + 96) << 6;
                ByteLanes.putLong(bytes, to + 32 * half + l, packed);
            }
        }
    }

    /** Q4_0, Q4_1, IQ4_NL and IQ4_XS: for each of {@code runs} runs of 32 weights 16 bytes, as {@link Nibbles} says. */
    public static void unpackNibbles(int runs, byte[] bytes, int at, byte[] levels, int to) {
        Nibbles.get(bytes, at, runs, Nibbles.BYTES, levels, to);
    }

    public static void packNibbles(int runs, byte[] levels, int at, byte[] bytes, int to) {
        for (int run = 0; run < runs; run++) {
            Nibbles.put(levels, at + run * Nibbles.LEVELS, bytes, to + run * Nibbles.BYTES);
        }
    }

    /** Q5_0 and Q5_1: the fifth bits of 32 weights, then their nibbles, as {@link Nibbles} says. */
    public static void unpackFiveBits(byte[] bytes, int at, byte[] levels, int to) {
        Nibbles.get(bytes, at + Integer.BYTES, 1, 0, levels, to);
        Nibbles.addFifthBits(bytes, at, 1, 0, levels, to);
    }

    public static void packFiveBits(byte[] levels, int at, byte[] bytes, int to) {
        ByteLanes.putInt(bytes, to, Nibbles.fifthBits(levels, at));
        Nibbles.put(levels, at, bytes, to + Integer.BYTES);
    }

    /** Q8_0, either way: 32 signed bytes and their levels, which are 128 above them. */
    public static void shiftBytes(byte[] from, int at, byte[] to, int toAt) {
        for (int i = 0; i < 32; i += 8) {
            ByteLanes.putLong(to, toAt + i, ByteLanes.getLong(from, at + i) ^ 128 * ONES);
        }
    }

    /** Q1_0: 128 weights, eight a byte, the first lowest. */
    public static void unpackBits(byte[] bytes, int at, byte[] levels, int to) {
        for (int i = 0; i < 16; i++) {
            ByteLanes.putLong(levels, to + 8 * i, Nibbles.spread(bytes[at + i]));
        }
    }

    public static void packBits(byte[] levels, int at, byte[] bytes, int to) {
        for (int i = 0; i < 16; i++) {
            bytes[to + i] = (byte) Nibbles.join(ByteLanes.getLong(levels, at + 8 * i));
        }
    }

    /** Q2_0: 64 weights, four neighbours a byte, the first lowest. */
    public static void unpackNeighbours(byte[] bytes, int at, byte[] levels, int to) {
        for (int i = 0; i < 64; i++) {
            levels[to + i] = (byte) (bytes[at + i / 4] >>> 2 * (i % 4) & 3);
        }
    }

    public static void packNeighbours(byte[] levels, int at, byte[] bytes, int to) {
        for (int i = 0; i < 64; i += 4) {
            int first = at + i;
            bytes[to + i / 4] =
                    (byte) (levels[first] | levels[first + 1] << 2 | levels[first + 2] << 4 | levels[first + 3] << 6);
        }
    }
}
