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
    static void put(byte[] levels, byte[] to, int at) {
        for (int j = 0; j < BYTES; j += 8) {
            long low = ByteLanes.getLong(levels, j) & LOW;
            long high = ByteLanes.getLong(levels, j + BYTES) & LOW;
            ByteLanes.putLong(to, at + j, low | high << 4);
        }
    }

    /** The fifth bits of 32 levels, a byte each. */
    static int fifthBits(byte[] levels) {
        int bits = 0;
        for (int i = 0; i < LEVELS; i += 8) {
            long fifth = ByteLanes.getLong(levels, i) >>> 4 & ONES;
            bits |= (int) (fifth * MEET >>> 56) << i;
        }
        return bits;
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
    static void get(byte[] from, int at, int blocks, int stride, byte[] levels) {
        for (int b = 0; b < blocks; b++) {
            for (int j = 0; j < BYTES; j += 8) {
                long pairs = ByteLanes.getLong(from, at + b * stride + j);
                ByteLanes.putLong(levels, b * LEVELS + j, pairs & LOW);
                ByteLanes.putLong(levels, b * LEVELS + BYTES + j, pairs >>> 4 & LOW);
            }
        }
    }

    /** Adds to such levels their fifth bits; {@code at} is the first block's int of them. */
    static void addFifthBits(byte[] from, int at, int blocks, int stride, byte[] levels) {
        for (int b = 0; b < blocks; b++) {
            int bits = ByteLanes.getInt(from, at + b * stride);
            for (int i = 0; i < LEVELS; i += 8) {
                // Every byte gets all eight bits and keeps its own, which then carries into its uppermost.
                long own = (bits >>> i & 0xff) * ONES & OWN;
                long fifth = own + ~UPPERMOST & UPPERMOST;
                int eight = b * LEVELS + i;
                ByteLanes.putLong(levels, eight, ByteLanes.getLong(levels, eight) | fifth >>> 3);
            }
        }
    }

    /** 16 when that bit is set. */
    static int fifthBit(int bits, int index) {
        return (bits >>> index & 1) << 4;
    }
}
