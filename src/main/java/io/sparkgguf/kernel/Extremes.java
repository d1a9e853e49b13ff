package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** The element of largest magnitude, with its sign: the first of equals; zero when all are zero or NaN. */
final class Extremes {
    /** Above it, as integers, are the magnitudes of NaN. */
    private static final int INFINITY = 0x7f800000;

    private Extremes() {}

    /** That of {@code elements} elements; the scalar definition. */
    static float scalar(float[] x, int at, int elements) {
        float extreme = 0;
        float magnitude = 0;
        for (int i = 0; i < elements; i++) {
            float a = Math.abs(x[at + i]);
            if (a > magnitude) {
                magnitude = a;
                extreme = x[at + i];
            }
        }
        return extreme;
    }

    /**
     * Those of a tile of blocks of {@code elements} elements.
     *
     * <p>A positive float is an integer that grows with it, a negative one too with its sign bit flipped. So two maxima of
     * integers suffice, without masks, unless they are equal or NaN is among the elements.
     *
     * @param extreme receives one a lane, from {@code out}
     */
    static void lanes(float[] x, int at, int elements, float[] extreme, int out) {
        IntVector sign = IntVector.broadcast(Lanes.INTS, 0x80000000);
        IntVector positive = IntVector.zero(Lanes.INTS);
        IntVector negative = positive;
        for (int i = at; i < at + elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            IntVector v = FloatVector.fromArray(Lanes.FLOATS, x, i).reinterpretAsInts();
            positive = positive.max(v);
            negative = negative.max(v.lanewise(VectorOperators.XOR, sign));
        }
        IntVector larger = positive.max(negative);
        VectorMask<Integer> equal = positive.min(negative).compare(VectorOperators.EQ, larger);
        if (equal.or(larger.compare(VectorOperators.GT, INFINITY)).anyTrue()) {
            inOrder(x, at, elements, extreme, out);
            return;
        }
        larger.or(positive.sub(negative).and(sign)).reinterpretAsFloats().intoArray(extreme, out);
    }

    /** The same as {@link #lanes}, for whatever elements. */
    private static void inOrder(float[] x, int at, int elements, float[] extreme, int out) {
        FloatVector value = FloatVector.zero(Lanes.FLOATS);
        FloatVector magnitude = value;
        for (int i = at; i < at + elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            FloatVector a = v.abs();
            VectorMask<Float> larger = a.compare(VectorOperators.GT, magnitude);
            magnitude = magnitude.blend(a, larger);
            value = value.blend(v, larger);
        }
        value.intoArray(extreme, out);
    }
}
