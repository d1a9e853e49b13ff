package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Q4_1 and Q5_1 without importance: blocks of 32 weights from their minimum m up, in steps d = (max - m) / 15 (or 31).
 * Each element takes the integer part of (x - m) / d + 0.5; a level q decodes to q * d + m.
 *
 * <p>A block is d and m as F16, for five bits the fifth bits, and 16 bytes, see {@link Nibbles}. The levels come from
 * d and m before they are rounded to F16. {@code bits} is 4 or 5 everywhere.
 */
public final class AffineRounding {
    private static final int ELEMENTS = 32;
    private static final int HALF = 16;
    private static final int FIFTH_BITS = 4;

    private AffineRounding() {}

    private static int quants(int bits) {
        return bits == 4 ? 4 : 8;
    }

    public static void encode(float[] x, int at, int blocks, int bits, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeScalar(x, at, blocks, bits, to, toAt);
            return;
        }
        ScaleTile tile = new ScaleTile();
        ScaleTile mins = new ScaleTile();
        for (int b = 0; b < blocks; b += ScaleTile.BLOCKS) {
            int count = Math.min(ScaleTile.BLOCKS, blocks - b);
            findScales(x, at + b * ELEMENTS, count, (1 << bits) - 1, tile.scales, mins.scales);
            tile.invert(count);
            tile.round(count);
            mins.round(count);
            putBlocks(x, at + b * ELEMENTS, count, bits, tile, mins, to, toAt + b * (quants(bits) + HALF));
        }
    }

    private static void findScales(float[] x, int at, int blocks, int levels, float[] scales, float[] mins) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            IntVector lowest = IntVector.broadcast(INTS, Integer.MAX_VALUE);
            IntVector highest = IntVector.broadcast(INTS, Integer.MIN_VALUE);
            for (int i = from; i < from + ELEMENTS; i += WIDTH) {
                // Integers in the order of the floats, -0 before +0.
                IntVector next = Rounding.bits(x, i);
                next = next.lanewise(
                        VectorOperators.XOR, ByteLanes.negative(next).and(0x7fffffff));
                lowest = lowest.min(next);
                highest = highest.max(next);
            }
            float min = ordered(lowest.reduceLanes(VectorOperators.MIN));
            float max = ordered(highest.reduceLanes(VectorOperators.MAX));
            mins[b] = min == 0f ? firstZero(x, from) : min;
            scales[b] = (max - min) / levels;
        }
    }

    private static void putBlocks(
            float[] x, int at, int blocks, int bits, ScaleTile tile, ScaleTile mins, byte[] to, int toAt) {
        int levels = (1 << bits) - 1;
        int quants = quants(bits);
        byte[] levelBytes = new byte[Nibbles.LEVELS];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int block = toAt + b * (quants + HALF);
            float min = mins.scales[b];
            float inverse = tile.inverses[b];
            if (ScaleTile.isLeftOut(inverse)) {
                encodeScalar(x, from, 1, bits, to, block);
                continue;
            }
            tile.put(b, to, block);
            mins.put(b, to, block + 2);
            for (int i = 0; i < ELEMENTS; i += WIDTH) {
                ByteLanes.storeBytes(level(Rounding.load(x, from + i), min, inverse, levels), levelBytes, i);
            }
            Nibbles.put(levelBytes, 0, to, block + quants);
            if (bits == 5) {
                ByteLanes.putInt(to, block + FIFTH_BITS, Nibbles.fifthBits(levelBytes, 0));
            }
        }
    }

    static void encodeScalar(float[] x, int at, int blocks, int bits, byte[] to, int toAt) {
        int levels = (1 << bits) - 1;
        byte[] levelBytes = new byte[ELEMENTS];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            float min = x[from];
            float max = x[from];
            for (int i = 1; i < ELEMENTS; i++) {
                float v = x[from + i];
                min = v < min ? v : min;
                max = v > max ? v : max;
            }
            float d = (max - min) / levels;
            float inverse = Rounding.reciprocal(d);
            for (int i = 0; i < ELEMENTS; i++) {
                levelBytes[i] = (byte) level(x[from + i], min, inverse, levels);
            }
            put(levelBytes, d, min, bits, to, toAt + b * (quants(bits) + HALF));
        }
    }

    /** Writes one block of 32 levels, a byte each, with scale d and minimum m. */
    public static void put(byte[] levels, float d, float m, int bits, byte[] to, int toAt) {
        Rounding.putScale(to, toAt, d);
        Rounding.putScale(to, toAt + 2, m);
        Nibbles.put(levels, 0, to, toAt + quants(bits));
        if (bits == 5) {
            ByteLanes.putInt(to, toAt + FIFTH_BITS, Nibbles.fifthBits(levels, 0));
        }
    }

    public static void decode(byte[] from, int at, int blocks, int bits, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeScalar(from, at, blocks, bits, to, toAt);
            return;
        }
        int stride = quants(bits) + HALF;
        byte[] levels = new byte[Nibbles.TILE * ELEMENTS];
        for (int b = 0; b < blocks; b += Nibbles.TILE) {
            int count = Math.min(Nibbles.TILE, blocks - b);
            int block = at + b * stride;
            Nibbles.get(from, block + quants(bits), count, stride, levels, 0);
            if (bits == 5) {
                Nibbles.addFifthBits(from, block + FIFTH_BITS, count, stride, levels, 0);
            }
            putWeights(from, block, count, bits, levels, to, toAt + b * ELEMENTS);
        }
    }

    private static void putWeights(byte[] from, int at, int blocks, int bits, byte[] levels, float[] to, int toAt) {
        int stride = quants(bits) + HALF;
        for (int b = 0; b < blocks; b++) {
            float d = Rounding.getScale(from, at + b * stride);
            float m = Rounding.getScale(from, at + b * stride + 2);
            for (int i = 0; i < ELEMENTS; i += WIDTH) {
                Rounding.floats(ByteLanes.loadSigned(levels, b * ELEMENTS + i))
                        .mul(d)
                        .add(m)
                        .intoArray(to, toAt + b * ELEMENTS + i);
            }
        }
    }

    static void decodeScalar(byte[] from, int at, int blocks, int bits, float[] to, int toAt) {
        int quants = quants(bits);
        for (int b = 0; b < blocks; b++) {
            int block = at + b * (quants + HALF);
            float d = Rounding.getScale(from, block);
            float m = Rounding.getScale(from, block + 2);
            int fifth = bits == 5 ? ByteLanes.getInt(from, block + FIFTH_BITS) : 0;
            for (int j = 0; j < HALF; j++) {
                int pair = from[block + quants + j];
                int low = pair & 15 | Nibbles.fifthBit(fifth, j);
                int high = pair >>> 4 & 15 | Nibbles.fifthBit(fifth, j + HALF);
                to[toAt + b * ELEMENTS + j] = low * d + m;
                to[toAt + b * ELEMENTS + HALF + j] = high * d + m;
            }
        }
    }

    private static int level(float x, float min, float inverse, int levels) {
        return Math.min(levels, Rounding.truncate((x - min) * inverse + 0.5f));
    }

    private static IntVector level(FloatVector x, float min, float inverse, int levels) {
        return Rounding.truncate(x.sub(min).mul(inverse).add(0.5f)).min(Rounding.INTEGER_BITS + levels);
    }

    /** The first zero with its sign: the scalar loop keeps it, the order of integers prefers -0. */
    private static float firstZero(float[] x, int at) {
        int i = at;
        while (x[i] != 0f) {
            i++;
        }
        return x[i];
    }

    /** The float of such an integer. */
    private static float ordered(int order) {
        return Float.intBitsToFloat(order ^ order >> 31 & 0x7fffffff);
    }
}
