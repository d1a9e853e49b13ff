package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.ByteLanes.LANE;
import static io.sparkgguf.kernel.Lanes.INTS;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * How 32 levels of 4 or 5 bits lie in a block: the low nibble of byte j holds element j, the high one element j + 16;
 * the fifth bit of element i is bit i of a little-endian int.
 */
final class Nibbles {
    private Nibbles() {}

    /** The byte of two levels, in the low byte of each lane. */
    static IntVector join(IntVector low, IntVector high) {
        return low.and(15).or(high.lanewise(VectorOperators.LSHL, 4));
    }

    /** The byte of two levels. */
    static byte join(int low, int high) {
        return (byte) (low & 15 | high << 4);
    }

    /** The fifth bits of elements {@code j} + lane and {@code j} + 16 + lane, each where it belongs in the int. */
    static IntVector fifthBits(IntVector low, IntVector high, int j) {
        IntVector pair =
                low.and(16).lanewise(VectorOperators.LSHR, 4).or(high.and(16).lanewise(VectorOperators.LSHL, 12));
        return pair.lanewise(VectorOperators.LSHL, LANE.add(j));
    }

    /** The fifth bits of elements {@code j} and {@code j} + 16. */
    static int fifthBits(int low, int high, int j) {
        return (low >>> 4 & 1) << j | (high >>> 4 & 1) << j + 16;
    }

    /** 16 in the lanes i whose bit {@code first} + i is set. */
    static IntVector fifthBit(int bits, int first) {
        return IntVector.broadcast(INTS, bits >>> first)
                .lanewise(VectorOperators.LSHR, LANE)
                .and(1)
                .lanewise(VectorOperators.LSHL, 4);
    }

    /** 16 when that bit is set. */
    static int fifthBitScalar(int bits, int index) {
        return (bits >>> index & 1) << 4;
    }
}
