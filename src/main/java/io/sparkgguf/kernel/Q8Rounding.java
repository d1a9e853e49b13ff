package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;

/**
 * Q8_0: blocks of 32 weights as an F16 scale d = max|x| / 127 and 32 signed bytes round(x / d), half away from zero.
 * The bytes come from the scale before it is rounded to F16.
 */
public final class Q8Rounding {
    private static final int ELEMENTS = 32;
    private static final int BYTES = 34;
    private static final int QUANTS = 2;

    private Q8Rounding() {}

    public static void encode(float[] x, int at, int blocks, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeScalar(x, at, blocks, to, toAt);
            return;
        }
        ScaleTile tile = new ScaleTile();
        for (int b = 0; b < blocks; b += ScaleTile.BLOCKS) {
            int count = Math.min(ScaleTile.BLOCKS, blocks - b);
            findScales(x, at + b * ELEMENTS, count, tile.scales);
            tile.invert(count);
            tile.round(count);
            putBlocks(x, at + b * ELEMENTS, count, tile, to, toAt + b * BYTES);
        }
    }

    private static void findScales(float[] x, int at, int blocks, float[] scales) {
        for (int b = 0; b < blocks; b++) {
            scales[b] = Rounding.largest(x, at + b * ELEMENTS, ELEMENTS) / 127f;
        }
    }

    private static void putBlocks(float[] x, int at, int blocks, ScaleTile tile, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int block = toAt + b * BYTES;
            float inverse = tile.inverses[b];
            if (ScaleTile.isLeftOut(inverse)) {
                encodeScalar(x, from, 1, to, block);
                continue;
            }
            tile.put(b, to, block);
            for (int i = 0; i < ELEMENTS; i += WIDTH) {
                FloatVector scaled = Rounding.load(x, from + i).mul(inverse);
                ByteLanes.storeBytes(Rounding.roundAway(scaled), to, block + QUANTS + i);
            }
        }
    }

    static void encodeScalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int block = toAt + b * BYTES;
            float d = Rounding.largestScalar(x, from, ELEMENTS) / 127f;
            float inverse = Rounding.reciprocal(d);
            Rounding.putScale(to, block, d);
            for (int i = 0; i < ELEMENTS; i++) {
                to[block + QUANTS + i] = (byte) Rounding.roundAway(x[from + i] * inverse);
            }
        }
    }

    public static void decode(byte[] from, int at, int blocks, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeScalar(from, at, blocks, to, toAt);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            int block = at + b * BYTES;
            float d = Rounding.getScale(from, block);
            for (int i = 0; i < ELEMENTS; i += WIDTH) {
                FloatVector quants = Rounding.floats(ByteLanes.loadSigned(from, block + QUANTS + i));
                quants.mul(d).intoArray(to, toAt + b * ELEMENTS + i);
            }
        }
    }

    static void decodeScalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int block = at + b * BYTES;
            float d = Rounding.getScale(from, block);
            for (int i = 0; i < ELEMENTS; i++) {
                to[toAt + b * ELEMENTS + i] = from[block + QUANTS + i] * d;
            }
        }
    }
}
