package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;

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
            turnHalves(x, first, i, half, cos, sin, angleAt);
        }
    }

    static void halvesScalar(float[] x, int at, int heads, int size, float[] cos, float[] sin, int angleAt) {
        for (int head = 0; head < heads; head++) {
            turnHalves(x, at + head * size, 0, size / 2, cos, sin, angleAt);
        }
    }

    /**
     * Turns the elements 2 i and 2 i + 1 of each of {@code heads} heads that follow each other, in place.
     *
     * @param size elements of a head, even
     * @param cos for each element the cosine of its pair, {@code size} from index {@code angleAt}, the same for all heads
     * @param sin for each element the sine of its pair, negated for the first of both
     */
    public static void neighbours(float[] x, int at, int heads, int size, float[] cos, float[] sin, int angleAt) {
        for (int head = 0; head < heads; head++) {
            int first = at + head * size;
            int i = 0;
            for (; i <= size - Lanes.WIDTH; i += Lanes.WIDTH) {
                FloatVector own = FloatVector.fromArray(Lanes.FLOATS, x, first + i);
                LongVector pairs = own.reinterpretAsLongs();
                FloatVector other = pairs.lanewise(VectorOperators.LSHL, 32)
                        .or(pairs.lanewise(VectorOperators.LSHR, 32))
                        .reinterpretAsFloats();
                own.mul(FloatVector.fromArray(Lanes.FLOATS, cos, angleAt + i))
                        .add(other.mul(FloatVector.fromArray(Lanes.FLOATS, sin, angleAt + i)))
                        .intoArray(x, first + i);
            }
            turnNeighbours(x, first, i, size, cos, sin, angleAt);
        }
    }

    static void neighboursScalar(float[] x, int at, int heads, int size, float[] cos, float[] sin, int angleAt) {
        for (int head = 0; head < heads; head++) {
            turnNeighbours(x, at + head * size, 0, size, cos, sin, angleAt);
        }
    }

    private static void turnNeighbours(
            float[] x, int first, int from, int size, float[] cos, float[] sin, int angleAt) {
        for (int i = from; i < size; i += 2) {
            float a = x[first + i];
            float b = x[first + i + 1];
            x[first + i] = a * cos[angleAt + i] + b * sin[angleAt + i];
            x[first + i + 1] = b * cos[angleAt + i + 1] + a * sin[angleAt + i + 1];
        }
    }

    private static void turnHalves(float[] x, int first, int from, int half, float[] cos, float[] sin, int angleAt) {
        for (int i = from; i < half; i++) {
            float a = x[first + i];
            float b = x[first + half + i];
            float c = cos[angleAt + i];
            float s = sin[angleAt + i];
            x[first + i] = a * c - b * s;
            x[first + half + i] = b * c + a * s;
        }
    }
}
