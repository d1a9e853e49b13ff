package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The last step of a K-quant: levels of sub-blocks of 16 for the scales as they are stored. A sub-block whose stored scale
 * is zero keeps the levels of the search.
 */
final class Requantizer {
    private static final int ELEMENTS = 16;

    private Requantizer() {}

    /** The levels, 0 to {@code 2 * half - 1}, of one sub-block; the scalar definition. */
    static void scalar(float[] x, int at, int half, float scale, byte[] levels, int levelsAt) {
        if (scale == 0) {
            return;
        }
        for (int i = 0; i < ELEMENTS; i++) {
            levels[levelsAt + i] = (byte) (half + NearestInt.level(x[at + i] / scale, half));
        }
    }

    /**
     * The levels of a tile of sub-blocks.
     *
     * @param x elements in lanes, from {@code at}
     * @param scale the stored scales, from {@code scaleAt}
     * @param levels holds the search's levels from {@code at} if any scale is zero, and receives the levels
     */
    static void lanes(float[] x, int at, int half, float[] scale, int scaleAt, int[] levels) {
        FloatVector d = FloatVector.fromArray(Lanes.FLOATS, scale, scaleAt);
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector mantissa = IntVector.broadcast(Lanes.INTS, 0x7fffff);
        IntVector low = IntVector.broadcast(Lanes.INTS, 0x400000 - half);
        IntVector high = IntVector.broadcast(Lanes.INTS, 0x400000 + half - 1);
        VectorMask<Integer> none = d.reinterpretAsInts().and(0x7fffffff).compare(VectorOperators.EQ, 0);
        for (int i = at; i < at + ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            IntVector l = FloatVector.fromArray(Lanes.FLOATS, x, i)
                    .div(d)
                    .add(round)
                    .reinterpretAsInts()
                    .and(mantissa)
                    .max(low)
                    .min(high)
                    .sub(low);
            l.blend(IntVector.fromArray(Lanes.INTS, levels, i), none).intoArray(levels, i);
        }
    }

    /** Whether any of {@code count} scales is zero. */
    static boolean anyZero(float[] scale, int count) {
        for (int i = 0; i < count; i++) {
            if (scale[i] == 0) {
                return true;
            }
        }
        return false;
    }
}
