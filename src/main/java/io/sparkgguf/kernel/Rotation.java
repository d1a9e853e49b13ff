package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * Turns pairs of elements: (a, b) becomes (a cos - b sin, b cos + a sin), products and sums rounded one by one.
 */
public final class Rotation {
    private Rotation() {}

    /**
     * Turns the elements i and {@code size / 2 + i} of each of {@code heads} heads that follow each other, in place.
     *
     * @param size elements of a head, even
     * @param cos {@code size / 2} cosines from index {@code angleAt}, the same for all heads
     * @param sin likewise
     */
    public static void halves(float[] x, int at, int heads, int size, float[] cos, float[] sin, int angleAt) {
        int half = size / 2;
        for (int head = 0; head < heads; head++) {
            int first = at + head * size;
            int i = 0;
            for (; i <= half - Lanes.WIDTH; i += Lanes.WIDTH) {
                FloatVector a = FloatVector.fromArray(Lanes.FLOATS, x, first + i);
                FloatVector b = FloatVector.fromArray(Lanes.FLOATS, x, first + half + i);
                FloatVector c = FloatVector.fromArray(Lanes.FLOATS, cos, angleAt + i);
                FloatVector s = FloatVector.fromArray(Lanes.FLOATS, sin, angleAt + i);
                a.mul(c).sub(b.mul(s)).intoArray(x, first + i);
                b.mul(c).add(a.mul(s)).intoArray(x, first + half + i);
            }
            turn(x, first + i, 1, half, half - i, cos, sin, angleAt + i);
        }
    }

    static void halvesScalar(float[] x, int at, int heads, int size, float[] cos, float[] sin, int angleAt) {
        for (int head = 0; head < heads; head++) {
            turn(x, at + head * size, 1, size / 2, size / 2, cos, sin, angleAt);
        }
    }

    /** Turns the elements 2 i and 2 i + 1 of each head; parameters as of {@link #halves}. */
    public static void neighbours(float[] x, int at, int heads, int size, float[] cos, float[] sin, int angleAt) {
        for (int head = 0; head < heads; head++) {
            turn(x, at + head * size, 2, 1, size / 2, cos, sin, angleAt);
        }
    }

    /** Pair i is {@code x[first + i * step]} and the element {@code distance} after it. */
    private static void turn(
            float[] x, int first, int step, int distance, int pairs, float[] cos, float[] sin, int angleAt) {
        for (int i = 0; i < pairs; i++) {
            int at = first + i * step;
            float a = x[at];
            float b = x[at + distance];
            float c = cos[angleAt + i];
            float s = sin[angleAt + i];
            x[at] = a * c - b * s;
            x[at + distance] = b * c + a * s;
        }
    }
}
