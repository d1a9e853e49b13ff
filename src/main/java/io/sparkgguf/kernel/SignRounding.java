package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.ByteLanes.LANE;
import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Q1_0: blocks of 128 weights as an F16 scale d, the mean of |x|, and one bit each: set for x >= 0, which decodes to d,
 * and else to -d. Bit i % 8 of byte i / 8 belongs to element i.
 *
 * <p>The mean is a float32 sum in the order of the elements: a chain of additions that lanes cannot share, so blocks are
 * summed side by side instead.
 */
public final class SignRounding {
    private static final int ELEMENTS = 128;
    private static final int BYTES = 18;
    private static final int QUANTS = 2;
    private static final int CHAINS = 8;
    private static final int MAGNITUDE = 0x7fffffff;

    private SignRounding() {}

    public static void encode(float[] x, int at, int blocks, byte[] to, int toAt) {
        int b = 0;
        if (ByteLanes.VECTORS) {
            for (; b <= blocks - CHAINS; b += CHAINS) {
                if (!putMeans(x, at + b * ELEMENTS, to, toAt + b * BYTES)) {
                    encodeScalar(x, at + b * ELEMENTS, CHAINS, to, toAt + b * BYTES);
                    continue;
                }
                for (int c = b; c < b + CHAINS; c++) {
                    putSigns(x, at + c * ELEMENTS, to, toAt + c * BYTES + QUANTS);
                }
            }
        }
        encodeScalar(x, at + b * ELEMENTS, blocks - b, to, toAt + b * BYTES);
    }

    /** Writes the scales of the next blocks; false when not all weights are finite. */
    private static boolean putMeans(float[] x, int at, byte[] to, int toAt) {
        float s0 = 0f;
        float s1 = 0f;
        float s2 = 0f;
        float s3 = 0f;
        float s4 = 0f;
        float s5 = 0f;
        float s6 = 0f;
        float s7 = 0f;
        for (int i = at; i < at + ELEMENTS; i++) {
            s0 += Math.abs(x[i]);
            s1 += Math.abs(x[i + ELEMENTS]);
            s2 += Math.abs(x[i + 2 * ELEMENTS]);
            s3 += Math.abs(x[i + 3 * ELEMENTS]);
            s4 += Math.abs(x[i + 4 * ELEMENTS]);
            s5 += Math.abs(x[i + 5 * ELEMENTS]);
            s6 += Math.abs(x[i + 6 * ELEMENTS]);
            s7 += Math.abs(x[i + 7 * ELEMENTS]);
        }
        putMean(s0, to, toAt);
        putMean(s1, to, toAt + BYTES);
        putMean(s2, to, toAt + 2 * BYTES);
        putMean(s3, to, toAt + 3 * BYTES);
        putMean(s4, to, toAt + 4 * BYTES);
        putMean(s5, to, toAt + 5 * BYTES);
        putMean(s6, to, toAt + 6 * BYTES);
        putMean(s7, to, toAt + 7 * BYTES);
        return s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 <= Float.MAX_VALUE;
    }

    private static void putMean(float sum, byte[] to, int toAt) {
        Rounding.putScale(to, toAt, sum / ELEMENTS);
    }

    private static void putSigns(float[] x, int at, byte[] to, int toAt) {
        for (int i = 0; i < ELEMENTS; i += 32) {
            IntVector bits = IntVector.zero(INTS);
            for (int j = 0; j < 32; j += WIDTH) {
                // Set where the sign bit is clear, or where it is that of -0: only a zero less one turns negative.
                IntVector lanes = Rounding.bits(x, at + i + j);
                IntVector zero = lanes.and(MAGNITUDE).sub(1);
                IntVector positive =
                        lanes.lanewise(VectorOperators.NOT).or(zero).lanewise(VectorOperators.LSHR, 31);
                bits = bits.or(positive.lanewise(VectorOperators.LSHL, LANE.add(j)));
            }
            ByteLanes.putInt(to, toAt + i / 8, bits.reduceLanes(VectorOperators.OR));
        }
    }

    static void encodeScalar(float[] x, int at, int blocks, byte[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int block = toAt + b * BYTES;
            float sum = 0f;
            for (int i = 0; i < ELEMENTS; i++) {
                sum += Math.abs(x[from + i]);
            }
            putMean(sum, to, block);
            for (int i = 0; i < ELEMENTS; i += 8) {
                int bits = 0;
                for (int j = 0; j < 8; j++) {
                    bits |= x[from + i + j] >= 0f ? 1 << j : 0;
                }
                to[block + QUANTS + i / 8] = (byte) bits;
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
            int element = toAt + b * ELEMENTS;
            int d = Float.floatToRawIntBits(Rounding.getScale(from, block));
            for (int i = 0; i < ELEMENTS; i += 32) {
                IntVector bits = IntVector.broadcast(INTS, ~ByteLanes.getInt(from, block + QUANTS + i / 8));
                for (int j = 0; j < 32; j += WIDTH) {
                    IntVector turned =
                            bits.lanewise(VectorOperators.LSHR, LANE.add(j)).lanewise(VectorOperators.LSHL, 31);
                    turned.lanewise(VectorOperators.XOR, d)
                            .reinterpretAsFloats()
                            .intoArray(to, element + i + j);
                }
            }
        }
    }

    static void decodeScalar(byte[] from, int at, int blocks, float[] to, int toAt) {
        for (int b = 0; b < blocks; b++) {
            int block = at + b * BYTES;
            float d = Rounding.getScale(from, block);
            for (int i = 0; i < ELEMENTS; i++) {
                boolean positive = (from[block + QUANTS + i / 8] >>> i % 8 & 1) != 0;
                to[toAt + b * ELEMENTS + i] = positive ? d : -d;
            }
        }
    }
}
