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
 * <p>Source: the dequantize_row functions of ggml.
 */
public final class SymmetricDecoder {
    private static final int SUPER = 256;
    private static final int GROUP = 16;
    private static final int GROUPS = SUPER / GROUP;
    private static final int NONLINEAR_GROUP = NonlinearSearch.ELEMENTS;

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
                mine.scales[g] = d * ScaleCodes.SIX_BITS_SIGNED.scale(blocks, from + 96, g);
            }
            BlockLevels.unpackQ3K(blocks, from, mine.levels, 0);
            mine.multiply(4, out, outAt + b * SUPER);
        }
    }

    /** Decodes {@code count} blocks of Q6_K, 210 bytes each from {@code at}, into 256 weights each from {@code outAt}. */
    public static void q6K(byte[] blocks, int at, int count, float[] out, int outAt) {
        SymmetricDecoder mine = MINE.get();
        for (int b = 0; b < count; b++) {
            int from = at + b * 210;
            float d = Binary16.toFloat(Words.getShort(blocks, from + 208));
            for (int g = 0; g < GROUPS; g++) {
                mine.scales[g] = d * ScaleCodes.BYTES.scale(blocks, from + 192, g);
            }
            BlockLevels.unpackQ6K(blocks, from, mine.levels, 0);
            mine.multiply(32, out, outAt + b * SUPER);
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
            for (int g = 0; g < SUPER / NONLINEAR_GROUP; g++) {
                float scale = d * ScaleCodes.SIX_BITS_SPLIT.scale(blocks, from + 2, g);
                mine.lookUp(scale, blocks, from + 8 + 16 * g, out, outAt + b * SUPER + g * NONLINEAR_GROUP);
            }
        }
    }

    /** Levels, less that of zero, times scales. */
    private void multiply(int zero, float[] out, int at) {
        for (int g = 0; g < GROUPS; g++) {
            int from = g * GROUP;
            if (VECTOR) {
                FloatVector scale = FloatVector.broadcast(Lanes.FLOATS, scales[g]);
                for (int i = from; i < from + GROUP; i += Lanes.WIDTH) {
                    FloatVector level = (FloatVector)
                            ByteVector.fromArray(BYTES, levels, i).convertShape(VectorOperators.B2F, Lanes.FLOATS, 0);
                    scale.mul(level.sub(zero)).intoArray(out, at + i);
                }
            } else {
                for (int i = from; i < from + GROUP; i++) {
                    out[at + i] = scales[g] * (levels[i] - zero);
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
