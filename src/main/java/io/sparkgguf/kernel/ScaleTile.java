package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Scales of some consecutive blocks: found first, inverted and rounded to F16 side by side, then used for the levels.
 *
 * <p>Also keeps the loops of an encoder small. Each vector operation is hundreds of nodes to the compiler, which stops
 * inlining in the midst of a large loop and then makes an object of every vector.
 */
final class ScaleTile {
    /** Blocks of a full tile; a multiple of all lanes. */
    static final int BLOCKS = 64;

    private static final float SMALLEST_NORMAL = 0x1p-126f;

    /** One scale a block. */
    final float[] scales = new float[BLOCKS];

    /**
     * Set by {@link #invert}: 1 / scale, 0 for a scale of zero, and NaN where a block is left to the scalar twin: its
     * weights are not finite, or the scale is so small that its reciprocal might not be.
     */
    final float[] inverses = new float[BLOCKS];

    private final byte[] halves = new byte[2 * BLOCKS];

    /** Whether {@link #inverses} holds this instead of a reciprocal. */
    static boolean isLeftOut(float inverse) {
        return inverse != inverse;
    }

    /** Inverts the first {@code count} scales. */
    void invert(int count) {
        for (int i = 0; i < count; i += WIDTH) {
            FloatVector scale = Rounding.load(scales, i);
            FloatVector magnitude = scale.abs();
            VectorMask<Float> usual = magnitude
                    .compare(VectorOperators.GE, SMALLEST_NORMAL)
                    .and(magnitude.compare(VectorOperators.LE, Float.MAX_VALUE));
            FloatVector.broadcast(Lanes.FLOATS, Float.NaN)
                    .blend(FloatVector.broadcast(Lanes.FLOATS, 1f).div(scale), usual)
                    .blend(0f, scale.compare(VectorOperators.EQ, 0f))
                    .intoArray(inverses, i);
        }
    }

    /** Rounds the first {@code count} scales to F16; what is no number always to the same NaN. */
    void round(int count) {
        for (int i = 0; i < count; i += WIDTH) {
            FloatVector scale = Rounding.load(scales, i);
            IntVector half = Halves.toF16(scale);
            VectorMask<Float> noNumber = scale.test(VectorOperators.IS_NAN);
            ByteLanes.storeShorts(half.blend(0x7e00, noNumber.cast(Lanes.INTS)), halves, 2 * i);
        }
    }

    /** Writes a rounded scale. */
    void put(int block, byte[] to, int at) {
        ByteLanes.putShort(to, at, ByteLanes.getShort(halves, 2 * block));
    }
}
