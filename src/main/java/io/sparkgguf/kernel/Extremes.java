package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** The element of largest magnitude, with its sign: the first of equals; zero when all are zero or NaN. */
final class Extremes {
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
     * Those of a tile of blocks of {@code elements} elements, one at least.
     *
     * @param extreme receives one a lane, from {@code out}
     */
    static void lanes(float[] x, int at, int elements, float[] extreme, int out) {
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
