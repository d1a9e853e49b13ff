package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * MXFP4 and NVFP4: four-bit floats (E2M1) with a scale of one byte. A code is one of the doubled magnitudes
 * 0, 1, 2, 3, 4, 6, 8, 12 and, from 8 up, their negatives; it is the nearest to x / d, the first of equals.
 *
 * <ul>
 *   <li>MXFP4, 32 weights: the byte e is a power of two (E8M0) of floor(log2 max|x|) - 2, d = 2^(e - 128); then 16
 *       bytes of nibbles, elements j and j + 16.
 *   <li>NVFP4, 64 weights in 4 parts of 16: four bytes are the scales max|x| / 6 as unsigned E4M3, d half of that; then
 *       8 bytes a part, elements j and j + 8 of the part.
 * </ul>
 *
 * <p>Where max|x| is below 2^-125 MXFP4's byte would be negative; C leaves that conversion undefined (on x86 it wraps,
 * even to 255, which is no number). It is 0 here, which represents such weights best.
 */
public final class Fp4Rounding {
    private static final int[] MAGNITUDES = {0, 1, 2, 3, 4, 6, 8, 12};

    private static final int MX_ELEMENTS = 32;
    private static final int MX_BYTES = 17;
    private static final int MX_HALF = 16;
    private static final int NV_ELEMENTS = 64;
    private static final int NV_BYTES = 36;
    private static final int NV_PART = 16;
    private static final int NV_HALF = 8;
    private static final int NV_QUANTS = 4;
    private static final int NV_TILE = Nibbles.TILE / 2;

    private static final double LN_2 = StrictMath.log(2);
    /** From here on even the largest step, 224, is lost in the rounding of errors, and the first code is as good as any. */
    private static final float NV_INEXACT = 0x1p29f;

    private static final long LOW_NIBBLES = 0x0f0f0f0f0f0f0f0fL;

    private static final float[] NV_SCALES = new float[256];

    static {
        for (int code = 0; code < 256; code++) {
            int exponent = code >>> 3 & 15;
            int mantissa = code & 7;
            float value = exponent == 0 ? mantissa * 0x1p-9f : Math.scalb(1f + mantissa / 8f, exponent - 7);
            NV_SCALES[code] = code == 0x7f ? 0f : value / 2;
        }
    }

    private Fp4Rounding() {}

    public static void encodeMx(float[] x, int at, int blocks, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeMxScalar(x, at, blocks, to, toAt);
            return;
        }
        int[] thresholds = new int[MAGNITUDES.length - 1];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * MX_ELEMENTS;
            int block = toAt + b * MX_BYTES;
            float largest = Rounding.largest(x, from, MX_ELEMENTS);
            if (!(largest <= Float.MAX_VALUE)) {
                encodeMxScalar(x, from, 1, to, block);
                continue;
            }
            int e = mxScale(largest);
            to[block] = (byte) e;
            setThresholds(mxStep(e), thresholds);
            for (int j = 0; j < MX_HALF; j += WIDTH) {
                IntVector low = codes(Rounding.bits(x, from + j), thresholds);
                IntVector high = codes(Rounding.bits(x, from + MX_HALF + j), thresholds);
                ByteLanes.storeBytes(Nibbles.join(low, high), to, block + 1 + j);
            }
        }
    }

    static void encodeMxScalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * MX_ELEMENTS;
            int block = toAt + b * MX_BYTES;
            int e = mxScale(Rounding.largestScalar(x, from, MX_ELEMENTS));
            to[block] = (byte) e;
            float d = mxStep(e);
            for (int j = 0; j < MX_HALF; j++) {
                to[block + 1 + j] = Nibbles.join(code(x[from + j], d), code(x[from + MX_HALF + j], d));
            }
        }
    }

    public static void encodeNv(float[] x, int at, int blocks, byte[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            encodeNvScalar(x, at, blocks, to, toAt);
            return;
        }
        int[] thresholds = new int[MAGNITUDES.length - 1];
        byte[] codes = new byte[NV_PART];
        for (int b = 0; b < blocks; b++) {
            int block = toAt + b * NV_BYTES;
            if (!(Rounding.largest(x, at + b * NV_ELEMENTS, NV_ELEMENTS) < NV_INEXACT)) {
                encodeNvScalar(x, at + b * NV_ELEMENTS, 1, to, block);
                continue;
            }
            for (int s = 0; s < NV_QUANTS; s++) {
                int from = at + b * NV_ELEMENTS + s * NV_PART;
                int scale = toUe4m3(Rounding.largest(x, from, NV_PART) / 6f);
                to[block + s] = (byte) scale;
                setThresholds(NV_SCALES[scale], thresholds);
                for (int j = 0; j < NV_PART; j += WIDTH) {
                    ByteLanes.storeBytes(codes(Rounding.bits(x, from + j), thresholds), codes, j);
                }
                long pairs = ByteLanes.getLong(codes, 0) | ByteLanes.getLong(codes, NV_HALF) << 4;
                ByteLanes.putLong(to, block + NV_QUANTS + s * NV_HALF, pairs);
            }
        }
    }

    static void encodeNvScalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int block = toAt + b * NV_BYTES;
            for (int s = 0; s < NV_QUANTS; s++) {
                int from = at + b * NV_ELEMENTS + s * NV_PART;
                int scale = toUe4m3(Rounding.largestScalar(x, from, NV_PART) / 6f);
                to[block + s] = (byte) scale;
                float d = NV_SCALES[scale];
                for (int j = 0; j < NV_HALF; j++) {
                    to[block + NV_QUANTS + s * NV_HALF + j] =
                            Nibbles.join(code(x[from + j], d), code(x[from + NV_HALF + j], d));
                }
            }
        }
    }

    public static void decodeMx(byte[] from, int at, int blocks, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeMxScalar(from, at, blocks, to, toAt);
            return;
        }
        byte[] codes = new byte[Nibbles.TILE * MX_ELEMENTS];
        for (int b = 0; b < blocks; b += Nibbles.TILE) {
            int count = Math.min(Nibbles.TILE, blocks - b);
            int block = at + b * MX_BYTES;
            Nibbles.get(from, block + 1, count, MX_BYTES, codes, 0);
            for (int c = 0; c < count; c++) {
                float d = mxStep(from[block + c * MX_BYTES] & 0xff);
                putWeights(codes, c * MX_ELEMENTS, MX_ELEMENTS, d, to, toAt + (b + c) * MX_ELEMENTS);
            }
        }
    }

    static void decodeMxScalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int block = at + b * MX_BYTES;
            float d = mxStep(from[block] & 0xff);
            for (int j = 0; j < MX_HALF; j++) {
                int pair = from[block + 1 + j];
                to[toAt + b * MX_ELEMENTS + j] = value(pair & 15) * d;
                to[toAt + b * MX_ELEMENTS + MX_HALF + j] = value(pair >>> 4 & 15) * d;
            }
        }
    }

    public static void decodeNv(byte[] from, int at, int blocks, float[] to, int toAt) {
        if (!ByteLanes.VECTORS) {
            decodeNvScalar(from, at, blocks, to, toAt);
            return;
        }
        byte[] codes = new byte[NV_TILE * NV_ELEMENTS];
        for (int b = 0; b < blocks; b += NV_TILE) {
            int count = Math.min(NV_TILE, blocks - b);
            int block = at + b * NV_BYTES;
            for (int c = 0; c < count; c++) {
                getNvCodes(from, block + c * NV_BYTES + NV_QUANTS, codes, c * NV_ELEMENTS);
            }
            for (int c = 0; c < count * NV_QUANTS; c++) {
                float d = NV_SCALES[from[block + c / NV_QUANTS * NV_BYTES + c % NV_QUANTS] & 0xff];
                putWeights(codes, c * NV_PART, NV_PART, d, to, toAt + b * NV_ELEMENTS + c * NV_PART);
            }
        }
    }

    private static void getNvCodes(byte[] from, int at, byte[] codes, int codesAt) {
        for (int s = 0; s < NV_QUANTS; s++) {
            long pairs = ByteLanes.getLong(from, at + s * NV_HALF);
            ByteLanes.putLong(codes, codesAt + s * NV_PART, pairs & LOW_NIBBLES);
            ByteLanes.putLong(codes, codesAt + s * NV_PART + NV_HALF, pairs >>> 4 & LOW_NIBBLES);
        }
    }

    private static void putWeights(byte[] codes, int at, int count, float d, float[] to, int toAt) {
        for (int i = 0; i < count; i += WIDTH) {
            Rounding.floats(values(ByteLanes.loadSigned(codes, at + i))).mul(d).intoArray(to, toAt + i);
        }
    }

    static void decodeNvScalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int block = at + b * NV_BYTES;
            for (int s = 0; s < NV_QUANTS; s++) {
                float d = NV_SCALES[from[block + s] & 0xff];
                int element = toAt + b * NV_ELEMENTS + s * NV_PART;
                for (int j = 0; j < NV_HALF; j++) {
                    int pair = from[block + NV_QUANTS + s * NV_HALF + j];
                    to[element + j] = value(pair & 15) * d;
                    to[element + NV_HALF + j] = value(pair >>> 4 & 15) * d;
                }
            }
        }
    }

    /** The byte e of a block whose largest magnitude is {@code largest}. */
    static int mxScale(float largest) {
        return largest == 0f ? 0 : Math.max(0, floorLog2(largest) + 125);
    }

    /**
     * floor of the logarithm rounded to float32, which next below a power of two is that power's: the reference takes
     * the logarithm in float32.
     */
    private static int floorLog2(float v) {
        boolean nextBelowPower = (Float.floatToRawIntBits(v) & 0x7fffc0) == 0x7fffc0;
        return nextBelowPower ? (int) Math.floor((float) (StrictMath.log(v) / LN_2)) : Math.getExponent(v);
    }

    /** 2^(e - 128): half the scale, for the doubled magnitudes. */
    static float mxStep(int e) {
        return Float.intBitsToFloat(e < 2 ? 0x200000 << e : e - 1 << 23);
    }

    /** The unsigned E4M3 code of v >= 0: rounded half up, 448 from 256 on. */
    static int toUe4m3(float v) {
        int bits = Float.floatToRawIntBits(v);
        int code = (bits >>> 20) - (120 << 3) + (bits >>> 19 & 1);
        if (v < 0x1p-6f) {
            return Math.min(7, (int) (v * 512f + 0.5f)); // a subnormal: multiples of 2^-9
        }
        return code >= 15 << 3 ? 0x7e : code;
    }

    /** The code nearest to x in steps of d, the first of equals; by trying them all. */
    private static int code(float x, float d) {
        int best = 0;
        float least = Math.abs(x);
        for (int code = 1; code < 16; code++) {
            float error = Math.abs(value(code) * d - x);
            if (error < least) {
                least = error;
                best = code;
            }
        }
        return best;
    }

    private static int value(int code) {
        int magnitude = MAGNITUDES[code & 7];
        return code < 8 ? magnitude : -magnitude;
    }

    /**
     * Sets the bits of the largest magnitude that still gets code k. Steps have few bits, so the middles are exact, as
     * are the errors that {@link #code} compares next to them; a level that overflows is never the nearest.
     */
    private static void setThresholds(float d, int[] thresholds) {
        for (int k = 0; k < thresholds.length; k++) {
            float middle = 0.5f * (MAGNITUDES[k] * d) + 0.5f * (MAGNITUDES[k + 1] * d);
            thresholds[k] = Float.floatToRawIntBits(d == 0f ? Float.POSITIVE_INFINITY : middle);
        }
    }

    /** {@link #code} of the lanes' floats: how many thresholds the magnitude exceeds, and 8 for the sign unless zero. */
    private static IntVector codes(IntVector bits, int[] thresholds) {
        IntVector magnitude = bits.and(0x7fffffff);
        IntVector count = IntVector.zero(INTS);
        for (int k = 0; k < MAGNITUDES.length - 1; k++) {
            count = count.sub(
                    ByteLanes.negative(IntVector.broadcast(INTS, thresholds[k]).sub(magnitude)));
        }
        IntVector some = ByteLanes.negative(count.neg());
        return bits.lanewise(VectorOperators.LSHR, 28).and(8).and(some).or(count);
    }

    /** {@link #value} of lanes from 0 to 15: c up to 4, then 6, 8 and 12. */
    private static IntVector values(IntVector codes) {
        IntVector c = codes.and(7);
        IntVector magnitude = c.add(c.sub(4).max(0)).add(c.sub(6).max(0).lanewise(VectorOperators.LSHL, 1));
        IntVector negative = codes.lanewise(VectorOperators.LSHR, 3).neg();
        return magnitude.lanewise(VectorOperators.XOR, negative).sub(negative);
    }
}
