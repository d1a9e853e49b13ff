package io.sparkgguf.kernel;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Blocks of Q3_K, Q6_K, IQ4_NL and IQ4_XS back to weights: the stored scale of the block times that of the sub-block,
 * rounded, times the level.
 *
 * <p>Levels are unpacked eight at a time, one a byte of a long.
 *
 * <p>Source: the dequantize_row functions of ggml.
 */
public final class SymmetricDecoder {
    private static final int SUPER = 256;
    private static final int GROUP = 16;
    private static final int GROUPS = SUPER / GROUP;
    private static final int NONLINEAR_GROUP = NonlinearSearch.ELEMENTS;
    private static final long ONES = 0x0101010101010101L;

    /** A vector of bytes has 64 bits at least; narrower vectors of floats take the scalar loop. */
    private static final boolean VECTOR = Lanes.WIDTH >= 8;

    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, Lanes.WIDTH * 8)));

    private static final ThreadLocal<SymmetricDecoder> MINE = ThreadLocal.withInitial(SymmetricDecoder::new);

    private final byte[] levels = new byte[SUPER];
    private final float[] scales = new float[GROUPS];
    private final float[] table = new float[16];

    private SymmetricDecoder() {}

    /** Decodes {@code count} blocks of Q3_K, 110 bytes each from {@code at}, into 256 weights each from {@code outAt}. */
    public static void q3K(byte[] blocks, int at, int count, float[] out, int outAt) {
        SymmetricDecoder mine = MINE.get();
        for (int b = 0; b < count; b++) {
            int from = at + b * 110;
            float d = Binary16.toFloat(Words.getShort(blocks, from + 108));
            for (int g = 0; g < GROUPS; g++) {
                int low = blocks[from + 96 + g % 8] >> g / 8 * 4 & 15;
                int high = blocks[from + 104 + g % 4] >> g / 4 * 2 & 3;
                mine.scales[g] = d * ((low | high << 4) - 32);
            }
            for (int l = 0; l < 32; l += 8) {
                long high = Words.getLong(blocks, from + l);
                for (int n = 0; n < 2; n++) {
                    long low = Words.getLong(blocks, from + 32 + 32 * n + l);
                    for (int s = 0; s < 4; s++) {
                        long q = low >>> 2 * s & 3 * ONES | (high >>> 4 * n + s & ONES) << 2;
                        Words.putLong(mine.levels, 128 * n + 32 * s + l, less(q, 4));
                    }
                }
            }
            mine.multiply(out, outAt + b * SUPER);
        }
    }

    /** Decodes {@code count} blocks of Q6_K, 210 bytes each from {@code at}, into 256 weights each from {@code outAt}. */
    public static void q6K(byte[] blocks, int at, int count, float[] out, int outAt) {
        SymmetricDecoder mine = MINE.get();
        for (int b = 0; b < count; b++) {
            int from = at + b * 210;
            float d = Binary16.toFloat(Words.getShort(blocks, from + 208));
            for (int g = 0; g < GROUPS; g++) {
                mine.scales[g] = d * blocks[from + 192 + g];
            }
            for (int n = 0; n < 2; n++) {
                for (int l = 0; l < 32; l += 8) {
                    long low0 = Words.getLong(blocks, from + 64 * n + l);
                    long low1 = Words.getLong(blocks, from + 64 * n + 32 + l);
                    long high = Words.getLong(blocks, from + 128 + 32 * n + l);
                    int to = 128 * n + l;
                    Words.putLong(mine.levels, to, less(low0 & 15 * ONES | (high & 3 * ONES) << 4, 32));
                    Words.putLong(mine.levels, to + 32, less(low1 & 15 * ONES | (high >>> 2 & 3 * ONES) << 4, 32));
                    Words.putLong(
                            mine.levels, to + 64, less(low0 >>> 4 & 15 * ONES | (high >>> 4 & 3 * ONES) << 4, 32));
                    Words.putLong(
                            mine.levels, to + 96, less(low1 >>> 4 & 15 * ONES | (high >>> 6 & 3 * ONES) << 4, 32));
                }
            }
            mine.multiply(out, outAt + b * SUPER);
        }
    }

    /** Decodes {@code count} blocks of IQ4_NL, 18 bytes each from {@code at}, into 32 weights each from {@code outAt}. */
    public static void iq4NL(byte[] blocks, int at, int count, float[] out, int outAt) {
        SymmetricDecoder mine = MINE.get();
        for (int b = 0; b < count; b++) {
            int from = at + b * 18;
            float d = Binary16.toFloat(Words.getShort(blocks, from));
            mine.lookUp(d, blocks, from + 2, out, outAt + b * NONLINEAR_GROUP);
        }
    }

    /** Decodes {@code count} blocks of IQ4_XS, 136 bytes each from {@code at}, into 256 weights each from {@code outAt}. */
    public static void iq4XS(byte[] blocks, int at, int count, float[] out, int outAt) {
        SymmetricDecoder mine = MINE.get();
        for (int b = 0; b < count; b++) {
            int from = at + b * 136;
            float d = Binary16.toFloat(Words.getShort(blocks, from));
            int high = Words.getShort(blocks, from + 2);
            int low = Words.getInt(blocks, from + 4);
            for (int g = 0; g < SUPER / NONLINEAR_GROUP; g++) {
                float scale = d * ((low >>> 4 * g & 15 | (high >> 2 * g & 3) << 4) - 32);
                mine.lookUp(scale, blocks, from + 8 + 16 * g, out, outAt + b * SUPER + g * NONLINEAR_GROUP);
            }
        }
    }

    /** The eight bytes of q, each below 128, less a number up to 128, as signed bytes. */
    private static long less(long q, long number) {
        return (q | 128 * ONES) - number * ONES ^ 128 * ONES;
    }

    /** Levels times scales. */
    private void multiply(float[] out, int at) {
        for (int g = 0; g < GROUPS; g++) {
            int from = g * GROUP;
            if (VECTOR) {
                FloatVector scale = FloatVector.broadcast(Lanes.FLOATS, scales[g]);
                for (int i = from; i < from + GROUP; i += Lanes.WIDTH) {
                    FloatVector level = (FloatVector)
                            ByteVector.fromArray(BYTES, levels, i).convertShape(VectorOperators.B2F, Lanes.FLOATS, 0);
                    scale.mul(level).intoArray(out, at + i);
                }
            } else {
                for (int i = from; i < from + GROUP; i++) {
                    out[at + i] = scales[g] * levels[i];
                }
            }
        }
    }

    /** Sixteen bytes of indices to 32 weights. */
    private void lookUp(float scale, byte[] blocks, int from, float[] out, int at) {
        for (int i = 0; i < 16; i++) {
            table[i] = scale * NonlinearSearch.LEVELS[i];
        }
        for (int j = 0; j < 16; j++) {
            int pair = blocks[from + j];
            out[at + j] = table[pair & 15];
            out[at + 16 + j] = table[pair >> 4 & 15];
        }
    }
}
