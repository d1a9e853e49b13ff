package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.ByteLanes.LANE;
import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * TQ1_0, TQ2_0 and Q2_0: blocks whose F16 scale d is the largest |x|, and whose weights become round(x / d), that is
 * -1, 0 or 1, stored plus one as a level. Meant for weights that are ternary already.
 *
 * <ul>
 *   <li>TQ1_0, 256 weights: five levels a byte as a fraction of 3^5 in 256ths, the first the most significant.
 *       Bytes 0-31 hold elements m + 32n, bytes 32-47 elements 160 + m + 16n, then four bytes hold 240 + m + 4n, four
 *       levels each; d is last.
 *   <li>TQ2_0, 256 weights: element 128c + 32s + m is bits 2s of byte 32c + m; d is last.
 *   <li>Q2_0, 64 weights: d is first, element i is bits 2(i % 4) of byte i / 4. Level 3 decodes to 2d.
 * </ul>
 */
public final class TernaryRounding {
    private static final int HALF_BITS = 0x3f000000;

    private static final int TQ_ELEMENTS = 256;
    private static final int TQ1_BYTES = 54;
    private static final int TQ1_SCALE = 52;
    private static final int TQ2_BYTES = 66;
    private static final int TQ2_SCALE = 64;
    private static final int Q2_ELEMENTS = 64;
    private static final int Q2_BYTES = 18;
    private static final int Q2_QUANTS = 2;

    private TernaryRounding() {}

    public static void encodeTq1(float[] x, int at, int blocks, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeTq1Scalar(x, at, blocks, to, toAt);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            int from = at + b * TQ_ELEMENTS;
            int block = toAt + b * TQ1_BYTES;
            float d = Rounding.largest(x, from, TQ_ELEMENTS);
            float inverse = Rounding.reciprocal(d);
            if (!Rounding.isPlain(d, inverse)) {
                encodeTq1Scalar(x, from, 1, to, block);
                continue;
            }
            for (int m = 0; m < 32; m += WIDTH) {
                ByteLanes.storeBytes(fiveLevels(x, from + m, 32, inverse), to, block + m);
            }
            for (int m = 0; m < 16; m += WIDTH) {
                ByteLanes.storeBytes(fiveLevels(x, from + 160 + m, 16, inverse), to, block + 32 + m);
            }
            lastFourBytes(x, from, inverse, to, block);
            Rounding.putScale(to, block + TQ1_SCALE, d);
        }
    }

    static void encodeTq1Scalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * TQ_ELEMENTS;
            int block = toAt + b * TQ1_BYTES;
            float d = Rounding.largestScalar(x, from, TQ_ELEMENTS);
            float inverse = Rounding.reciprocal(d);
            for (int m = 0; m < 32; m++) {
                to[block + m] = fiveLevelsScalar(x, from + m, 32, inverse);
            }
            for (int m = 0; m < 16; m++) {
                to[block + 32 + m] = fiveLevelsScalar(x, from + 160 + m, 16, inverse);
            }
            lastFourBytes(x, from, inverse, to, block);
            Rounding.putScale(to, block + TQ1_SCALE, d);
        }
    }

    private static void lastFourBytes(float[] x, int from, float inverse, byte[] to, int block) {
        for (int m = 0; m < 4; m++) {
            int value = 0;
            for (int n = 0; n < 4; n++) {
                value = value * 3 + level(x[from + 240 + m + 4 * n], inverse);
            }
            to[block + 48 + m] = fraction(value * 3);
        }
    }

    private static IntVector fiveLevels(float[] x, int at, int step, float inverse) {
        IntVector value = level(x, at, inverse);
        for (int n = 1; n < 5; n++) {
            value = value.mul(3).add(level(x, at + n * step, inverse));
        }
        // The low byte of ceil(256 v / 243) = v + ceil(13 v / 243); 4316 / 2^20 is 1 / 243 and a little, enough below
        // 2^12.
        return value.mul(13)
                .add(242)
                .mul(4316)
                .lanewise(VectorOperators.LSHR, 20)
                .add(value);
    }

    private static byte fiveLevelsScalar(float[] x, int at, int step, float inverse) {
        int value = 0;
        for (int n = 0; n < 5; n++) {
            value = value * 3 + level(x[at + n * step], inverse);
        }
        return fraction(value);
    }

    /** v / 243 in 256ths, rounded up, so that multiplying brings each level out again. */
    private static byte fraction(int value) {
        return (byte) ((value * 256 + 242) / 243);
    }

    public static void encodeTq2(float[] x, int at, int blocks, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeTq2Scalar(x, at, blocks, to, toAt);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            int from = at + b * TQ_ELEMENTS;
            int block = toAt + b * TQ2_BYTES;
            float d = Rounding.largest(x, from, TQ_ELEMENTS);
            float inverse = Rounding.reciprocal(d);
            if (!Rounding.isPlain(d, inverse)) {
                encodeTq2Scalar(x, from, 1, to, block);
                continue;
            }
            for (int i = 0; i < 64; i += WIDTH) {
                int first = from + 128 * (i / 32) + i % 32;
                // Shifts by constants: by a loop's counter, code compiled by JDK 17 was seen to shift by a stale count.
                IntVector bits = level(x, first, inverse)
                        .or(level(x, first + 32, inverse).lanewise(VectorOperators.LSHL, 2))
                        .or(level(x, first + 64, inverse).lanewise(VectorOperators.LSHL, 4))
                        .or(level(x, first + 96, inverse).lanewise(VectorOperators.LSHL, 6));
                ByteLanes.storeBytes(bits, to, block + i);
            }
            Rounding.putScale(to, block + TQ2_SCALE, d);
        }
    }

    static void encodeTq2Scalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * TQ_ELEMENTS;
            int block = toAt + b * TQ2_BYTES;
            float d = Rounding.largestScalar(x, from, TQ_ELEMENTS);
            float inverse = Rounding.reciprocal(d);
            for (int i = 0; i < 64; i++) {
                int bits = 0;
                for (int s = 0; s < 4; s++) {
                    bits |= level(x[from + 128 * (i / 32) + 32 * s + i % 32], inverse) << 2 * s;
                }
                to[block + i] = (byte) bits;
            }
            Rounding.putScale(to, block + TQ2_SCALE, d);
        }
    }

    public static void encodeQ2(float[] x, int at, int blocks, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeQ2Scalar(x, at, blocks, to, toAt);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            int from = at + b * Q2_ELEMENTS;
            int block = toAt + b * Q2_BYTES;
            float d = Rounding.largest(x, from, Q2_ELEMENTS);
            float inverse = Rounding.reciprocal(d);
            if (!Rounding.isPlain(d, inverse)) {
                encodeQ2Scalar(x, from, 1, to, block);
                continue;
            }
            Rounding.putScale(to, block, d);
            // Four neighbours share a byte: gather each lane's two bits where they belong in an int of 16 elements.
            for (int i = 0; i < Q2_ELEMENTS; i += 16) {
                IntVector bits = IntVector.zero(INTS);
                for (int j = 0; j < 16; j += WIDTH) {
                    IntVector shift = LANE.add(j).lanewise(VectorOperators.LSHL, 1);
                    bits = bits.or(level(x, from + i + j, inverse).lanewise(VectorOperators.LSHL, shift));
                }
                ByteLanes.putInt(to, block + Q2_QUANTS + i / 4, bits.reduceLanes(VectorOperators.OR));
            }
        }
    }

    static void encodeQ2Scalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * Q2_ELEMENTS;
            int block = toAt + b * Q2_BYTES;
            float d = Rounding.largestScalar(x, from, Q2_ELEMENTS);
            float inverse = Rounding.reciprocal(d);
            Rounding.putScale(to, block, d);
            for (int i = 0; i < Q2_ELEMENTS; i += 4) {
                int bits = 0;
                for (int s = 0; s < 4; s++) {
                    // Where 1 / d overflows, C's conversion of infinity is the smallest int: clamped, level 0.
                    int level = inverse > Float.MAX_VALUE ? 0 : level(x[from + i + s], inverse);
                    bits |= level << 2 * s;
                }
                to[block + Q2_QUANTS + i / 4] = (byte) bits;
            }
        }
    }

    public static void decodeTq1(byte[] from, int at, int blocks, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeTq1Scalar(from, at, blocks, to, toAt);
            return;
        }
        byte[] last = new byte[16];
        for (int b = 0; b < blocks; b++) {
            int block = at + b * TQ1_BYTES;
            int element = toAt + b * TQ_ELEMENTS;
            float d = Rounding.getScale(from, block + TQ1_SCALE);
            for (int m = 0; m < 32; m += WIDTH) {
                fiveWeights(ByteLanes.loadUnsigned(from, block + m), d, to, element + m, 32);
            }
            for (int m = 0; m < 16; m += WIDTH) {
                fiveWeights(ByteLanes.loadUnsigned(from, block + 32 + m), d, to, element + 160 + m, 16);
            }
            for (int m = 0; m < 4; m++) {
                levels(from[block + 48 + m] & 0xff, 4, last, m, 4);
            }
            weights(last, d, to, element + 240);
        }
    }

    static void decodeTq1Scalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        byte[] levels = new byte[TQ_ELEMENTS];
        for (int b = 0; b < blocks; b++) {
            int block = at + b * TQ1_BYTES;
            unpackTq1(from, block, levels, 0);
            weights(levels, Rounding.getScale(from, block + TQ1_SCALE), to, toAt + b * TQ_ELEMENTS);
        }
    }

    /** The levels of a block of TQ1_0, one a byte. */
    public static void unpackTq1(byte[] block, int at, byte[] levels, int to) {
        for (int m = 0; m < 32; m++) {
            levels(block[at + m] & 0xff, 5, levels, to + m, 32);
        }
        for (int m = 0; m < 16; m++) {
            levels(block[at + 32 + m] & 0xff, 5, levels, to + 160 + m, 16);
        }
        for (int m = 0; m < 4; m++) {
            levels(block[at + 48 + m] & 0xff, 4, levels, to + 240 + m, 4);
        }
    }

    /** The inverse of {@link #unpackTq1}. */
    public static void packTq1(byte[] levels, int at, byte[] block, int to) {
        for (int m = 0; m < 32; m++) {
            block[to + m] = fraction(number(levels, at + m, 32, 5));
        }
        for (int m = 0; m < 16; m++) {
            block[to + 32 + m] = fraction(number(levels, at + 160 + m, 16, 5));
        }
        for (int m = 0; m < 4; m++) {
            block[to + 48 + m] = fraction(3 * number(levels, at + 240 + m, 4, 4));
        }
    }

    /** Levels as digits, the first the most significant. */
    private static int number(byte[] levels, int at, int step, int count) {
        int value = 0;
        for (int n = 0; n < count; n++) {
            value = value * 3 + levels[at + n * step];
        }
        return value;
    }

    /** A fraction's levels: times three, the whole part is one, the rest holds the next. */
    private static void levels(int fraction, int count, byte[] levels, int at, int step) {
        int rest = fraction;
        for (int n = 0; n < count; n++) {
            int tripled = rest * 3;
            levels[at + n * step] = (byte) (tripled >>> 8);
            rest = tripled & 0xff;
        }
    }

    private static void weights(byte[] levels, float d, float[] to, int toAt) {
        for (int i = 0; i < levels.length; i++) {
            to[toAt + i] = (levels[i] - 1) * d;
        }
    }

    private static void fiveWeights(IntVector fraction, float d, float[] to, int toAt, int step) {
        IntVector rest = fraction;
        for (int n = 0; n < 5; n++) {
            IntVector tripled = rest.mul(3);
            weights(tripled.lanewise(VectorOperators.LSHR, 8), d, to, toAt + n * step);
            rest = tripled.and(0xff);
        }
    }

    public static void decodeTq2(byte[] from, int at, int blocks, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeTq2Scalar(from, at, blocks, to, toAt);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            int block = at + b * TQ2_BYTES;
            float d = Rounding.getScale(from, block + TQ2_SCALE);
            for (int i = 0; i < 64; i += WIDTH) {
                IntVector bits = ByteLanes.loadUnsigned(from, block + i);
                int element = toAt + b * TQ_ELEMENTS + 128 * (i / 32) + i % 32;
                weights(bits.and(3), d, to, element);
                weights(bits.lanewise(VectorOperators.LSHR, 2).and(3), d, to, element + 32);
                weights(bits.lanewise(VectorOperators.LSHR, 4).and(3), d, to, element + 64);
                weights(bits.lanewise(VectorOperators.LSHR, 6).and(3), d, to, element + 96);
            }
        }
    }

    static void decodeTq2Scalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        byte[] levels = new byte[TQ_ELEMENTS];
        for (int b = 0; b < blocks; b++) {
            int block = at + b * TQ2_BYTES;
            BlockLevels.unpackTwoBits(from, block, levels, 0);
            weights(levels, Rounding.getScale(from, block + TQ2_SCALE), to, toAt + b * TQ_ELEMENTS);
        }
    }

    public static void decodeQ2(byte[] from, int at, int blocks, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeQ2Scalar(from, at, blocks, to, toAt);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            int block = at + b * Q2_BYTES;
            float d = Rounding.getScale(from, block);
            for (int i = 0; i < Q2_ELEMENTS; i += 16) {
                int bits = ByteLanes.getInt(from, block + Q2_QUANTS + i / 4);
                for (int j = 0; j < 16; j += WIDTH) {
                    IntVector shift = LANE.add(j).lanewise(VectorOperators.LSHL, 1);
                    IntVector levels = IntVector.broadcast(INTS, bits)
                            .lanewise(VectorOperators.LSHR, shift)
                            .and(3);
                    weights(levels, d, to, toAt + b * Q2_ELEMENTS + i + j);
                }
            }
        }
    }

    static void decodeQ2Scalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        byte[] levels = new byte[Q2_ELEMENTS];
        for (int b = 0; b < blocks; b++) {
            int block = at + b * Q2_BYTES;
            BlockLevels.unpackNeighbours(from, block + Q2_QUANTS, levels, 0);
            weights(levels, Rounding.getScale(from, block), to, toAt + b * Q2_ELEMENTS);
        }
    }

    private static void weights(IntVector levels, float d, float[] to, int toAt) {
        Rounding.floats(levels.sub(1)).mul(d).intoArray(to, toAt);
    }

    private static int level(float x, float inverse) {
        return Rounding.roundAway(x * inverse) + 1;
    }

    /** The same where |x * inverse| is below 1.5: 1 plus the sign of those at least 0.5. */
    private static IntVector level(float[] x, int at, float inverse) {
        IntVector bits = Rounding.load(x, at).mul(inverse).reinterpretAsInts();
        IntVector negative = ByteLanes.negative(bits);
        IntVector away = IntVector.broadcast(INTS, HALF_BITS - 1)
                .sub(bits.and(0x7fffffff))
                .lanewise(VectorOperators.LSHR, 31);
        return away.lanewise(VectorOperators.XOR, negative).sub(negative).add(1);
    }
}
