package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Q4_0 and Q5_0 without importance: blocks of 32 weights around zero. The element of largest magnitude M (the first of
 * several) takes the outermost negative level, d = M / -8 (or / -16), and each element the integer part of
 * x / d + 8.5 (16.5), at most 15 (31). A level q decodes to (q - 8) * d, or (q - 16) * d.
 *
 * <p>A block is d as F16, for five bits the fifth bits, and 16 bytes, see {@link Nibbles}. The levels come from the scale
 * before it is rounded to F16. {@code bits} is 4 or 5 everywhere.
 */
public final class SymmetricRounding {
    private static final int ELEMENTS = 32;
    private static final int HALF = 16;
    private static final int FIFTH_BITS = 2;

    private SymmetricRounding() {}

    private static int quants(int bits) {
        return bits == 4 ? 2 : 6;
    }

    public static void encode(float[] x, int at, int blocks, int bits, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeScalar(x, at, blocks, bits, to, toAt);
            return;
        }
        ScaleTile tile = new ScaleTile();
        for (int b = 0; b < blocks; b += ScaleTile.BLOCKS) {
            int count = Math.min(ScaleTile.BLOCKS, blocks - b);
            findScales(x, at + b * ELEMENTS, count, 1 << bits - 1, tile.scales);
            tile.invert(count);
            tile.round(count);
            putBlocks(x, at + b * ELEMENTS, count, bits, tile, to, toAt + b * (quants(bits) + HALF));
        }
    }

    private static void findScales(float[] x, int at, int blocks, int zero, float[] scales) {
        for (int b = 0; b < blocks; b++) {
            scales[b] = Rounding.extreme(x, at + b * ELEMENTS, ELEMENTS) / -zero;
        }
    }

    private static void putBlocks(float[] x, int at, int blocks, int bits, ScaleTile tile, byte[] to, int toAt) {
        int zero = 1 << bits - 1;
        int quants = quants(bits);
        byte[] levelBytes = new byte[Nibbles.LEVELS];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int block = toAt + b * (quants + HALF);
            float inverse = tile.inverses[b];
            if (ScaleTile.isLeftOut(inverse)) {
                encodeScalar(x, from, 1, bits, to, block);
                continue;
            }
            tile.put(b, to, block);
            for (int i = 0; i < ELEMENTS; i += WIDTH) {
                ByteLanes.storeBytes(level(Rounding.load(x, from + i), inverse, zero), levelBytes, i);
            }
            Nibbles.put(levelBytes, 0, to, block + quants);
            if (bits == 5) {
                ByteLanes.putInt(to, block + FIFTH_BITS, Nibbles.fifthBits(levelBytes, 0));
            }
        }
    }

    static void encodeScalar(float[] x, int at, int blocks, int bits, byte[] to, int toAt) {
        int zero = 1 << bits - 1;
        int quants = quants(bits);
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int block = toAt + b * (quants + HALF);
            float d = Rounding.extremeScalar(x, from, ELEMENTS) / -zero;
            float inverse = Rounding.reciprocal(d);
            Rounding.putScale(to, block, d);
            int fifth = 0;
            for (int j = 0; j < HALF; j++) {
                int low = level(x[from + j], inverse, zero);
                int high = level(x[from + HALF + j], inverse, zero);
                to[block + quants + j] = Nibbles.join(low, high);
                fifth |= Nibbles.fifthBits(low, high, j);
            }
            if (bits == 5) {
                ByteLanes.putInt(to, block + FIFTH_BITS, fifth);
            }
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
        int zero = 1 << bits - 1;
        int stride = quants(bits) + HALF;
        for (int b = 0; b < blocks; b++) {
            float d = Rounding.getScale(from, at + b * stride);
            for (int i = 0; i < ELEMENTS; i += WIDTH) {
                Rounding.floats(ByteLanes.loadSigned(levels, b * ELEMENTS + i).sub(zero))
                        .mul(d)
                        .intoArray(to, toAt + b * ELEMENTS + i);
            }
        }
    }

    static void decodeScalar(byte[] from, int at, int blocks, int bits, float[] to, int toAt) {
        int zero = 1 << bits - 1;
        int quants = quants(bits);
        for (int b = 0; b < blocks; b++) {
            int block = at + b * (quants + HALF);
            float d = Rounding.getScale(from, block);
            int fifth = bits == 5 ? ByteLanes.getInt(from, block + FIFTH_BITS) : 0;
            for (int j = 0; j < HALF; j++) {
                int pair = from[block + quants + j];
                int low = pair & 15 | Nibbles.fifthBit(fifth, j);
                int high = pair >>> 4 & 15 | Nibbles.fifthBit(fifth, j + HALF);
                to[toAt + b * ELEMENTS + j] = (low - zero) * d;
                to[toAt + b * ELEMENTS + HALF + j] = (high - zero) * d;
            }
        }
    }

    private static int level(float x, float inverse, int zero) {
        return Math.min(2 * zero - 1, Rounding.truncate(x * inverse + (zero + 0.5f)));
    }

    private static IntVector level(FloatVector x, float inverse, int zero) {
        return Rounding.truncate(x.mul(inverse).add(zero + 0.5f)).min(Rounding.INTEGER_BITS + 2 * zero - 1);
    }
}
