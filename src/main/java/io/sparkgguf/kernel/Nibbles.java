package io.sparkgguf.kernel;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * How 32 levels of 4 or 5 bits lie in a block: the low nibble of byte j holds element j, the high one element j + 16;
 * the fifth bit of element i is bit i of a little-endian int.
 */
final class Nibbles {
    /** Levels of a block, and bytes of their nibbles. */
    static final int LEVELS = 32;

    static final int BYTES = 16;

    /** Blocks whose levels are read before their weights are computed, for the reason of {@link ScaleTile}. */
    static final int TILE = 16;

    private static final long LOW = 0x0f0f0f0f0f0f0f0fL;
    private static final long ONES = 0x0101010101010101L;
    /** Times this, the lowest bits of eight bytes meet in the uppermost byte, the first as the lowest. */
    private static final long MEET = 0x0102040810204080L;

    private static final long OWN = 0x8040201008040201L;
    private static final long UPPERMOST = 0x8080808080808080L;

    private Nibbles() {}

    /** The byte of two levels. */
    static byte join(int low, int high) {
        return (byte) (low & 15 | high << 4);
    }

    /** The bytes of two levels, in the low byte of each lane. */
    static IntVector join(IntVector low, IntVector high) {
        return low.and(15).or(high.lanewise(VectorOperators.LSHL, 4));
    }

    /** Writes the nibbles of 32 levels, a byte each. */
    static void put(byte[] levels, int levelsAt, byte[] to, int at) {
        for (int j = 0; j < BYTES; j += 8) {
            long low = ByteLanes.getLong(levels, levelsAt + j) & LOW;
            long high = ByteLanes.getLong(levels, levelsAt + j + BYTES) & LOW;
            ByteLanes.putLong(to, at + j, low | high << 4);
        }
    }

    /** The fifth bits of 32 levels, a byte each. */
    static int fifthBits(byte[] levels, int levelsAt) {
        int bits = 0;
        for (int i = 0; i < LEVELS; i += 8) {
            bits |= join(ByteLanes.getLong(levels, levelsAt + i) >>> 4 & ONES) << i;
        }
        return bits;
    }

    /** The lowest bits of eight bytes, which have no others, as one byte, the first as the lowest. */
    static int join(long bits) {
        return (int) (bits * MEET >>> 56);
    }

    /** The inverse of {@link #join(long)}. */
    static long spread(int bits) {
        // Every byte gets all eight bits and keeps its own, which then carries into its uppermost.
        long own = (bits & 0xff) * ONES & OWN;
        return (own + ~UPPERMOST & UPPERMOST) >>> 7;
    }

    /** The fifth bits of elements {@code j} and {@code j} + 16, in their places. */
    static int fifthBits(int low, int high, int j) {
        return (low >>> 4 & 1) << j | (high >>> 4 & 1) << j + 16;
    }

    /**
     * Reads the levels of consecutive blocks, a byte each.
     *
     * @param at the first block's nibbles
     * @param stride bytes from block to block
     */
    static void get(byte[] from, int at, int blocks, int stride, byte[] levels, int levelsAt) {
        for (int b = 0; b < blocks; b++) {
            int to = levelsAt + b * LEVELS;
            for (int j = 0; j < BYTES; j += 8) {
                long pairs = ByteLanes.getLong(from, at + b * stride + j);
                ByteLanes.putLong(levels, to + j, pairs & LOW);
                ByteLanes.putLong(levels, to + BYTES + j, pairs >>> 4 & LOW);
            }
        }
    }

    /** Adds to such levels their fifth bits; {@code at} is the first block's int of them. */
    static void addFifthBits(byte[] from, int at, int blocks, int stride, byte[] levels, int levelsAt) {
        for (int b = 0; b < blocks; b++) {
            int bits = ByteLanes.getInt(from, at + b * stride);
            for (int i = 0; i < LEVELS; i += 8) {
                int eight = levelsAt + b * LEVELS + i;
                ByteLanes.putLong(levels, eight, ByteLanes.getLong(levels, eight) | spread(bits >>> i) << 4);
            }
        }
    }

    /** 16 when that bit is set. */
    static int fifthBit(int bits, int index) {
        return (bits >>> index & 1) << 4;
    }
}
