package io.sparkgguf.kernel;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Levels back to weights: scale * level - minimum, both rounded. */
public final class AffineDecoder {
    private static final int WIDTH = Lanes.WIDTH;

    /** A vector of bytes has 64 bits at least; narrower vectors of floats take the scalar loop. */
    private static final boolean VECTOR = WIDTH >= 8;

    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;

    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, WIDTH * 8)));

    private AffineDecoder() {}

    /**
     * Decodes {@code blocks} blocks of {@code elements} levels, a multiple of 16.
     *
     * @param levels one a byte, 0 to 127, from 0
     * @param scales one a block, from 0
     * @param minima one a block, from 0
     * @param out receives {@code blocks * elements} weights from {@code at}
     */
    public static void decode(
            byte[] levels, int blocks, int elements, float[] scales, float[] minima, float[] out, int at) {
        if (!VECTOR) {
            decodeScalar(levels, blocks, elements, scales, minima, out, at);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            FloatVector scale = FloatVector.broadcast(FLOATS, scales[b]);
            FloatVector minimum = FloatVector.broadcast(FLOATS, minima[b]);
            int from = b * elements;
            for (int i = from; i < from + elements; i += WIDTH) {
                FloatVector level = (FloatVector)
                        ByteVector.fromArray(BYTES, levels, i).convertShape(VectorOperators.B2F, FLOATS, 0);
                scale.mul(level).sub(minimum).intoArray(out, at + i);
            }
        }
    }

    /** The definition of {@link #decode}. */
    static void decodeScalar(
            byte[] levels, int blocks, int elements, float[] scales, float[] minima, float[] out, int at) {
        for (int b = 0; b < blocks; b++) {
            for (int i = b * elements; i < (b + 1) * elements; i++) {
                out[at + i] = scales[b] * levels[i] - minima[b];
            }
        }
    }
}
