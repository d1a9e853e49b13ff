package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.ROUND;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Rounds numbers to a linear grid: {@code scale * level} for whole levels from {@code low} to {@code high}, the nearest to
 * {@code x / scale}, ties to even. Numbers are finite, the scale is above zero, levels lie within ±2^22.
 */
public final class LinearRounding {
    private LinearRounding() {}

    /** Writes what {@code count} numbers become. {@code y} may be {@code x}. */
    public static void round(float[] x, int at, int count, float scale, int low, int high, float[] y, int yAt) {
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            FloatVector level =
                    Rounding.load(x, at + i).div(scale).max((float) low).min((float) high);
            level.add(ROUND).sub(ROUND).mul(scale).intoArray(y, yAt + i);
        }
        roundScalar(x, at + i, count - i, scale, low, high, y, yAt + i);
    }

    static void roundScalar(float[] x, int at, int count, float scale, int low, int high, float[] y, int yAt) {
        for (int i = 0; i < count; i++) {
            y[yAt + i] = level(x[at + i], scale, low, high) * scale;
        }
    }

    /** The level of one number. */
    public static float level(float x, float scale, int low, int high) {
        return Math.min(Math.max(x / scale, low), high) + ROUND - ROUND;
    }

    /** How many of {@code count} numbers lie beyond the outermost levels by more than half a step. */
    public static int clipped(float[] x, int at, int count, float scale, int low, int high) {
        IntVector found = IntVector.zero(Lanes.INTS);
        FloatVector highest = FloatVector.broadcast(Lanes.FLOATS, high + 0.5f);
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            FloatVector level = Rounding.load(x, at + i).div(scale);
            // What is too far leaves the sign bit of a difference.
            IntVector above = highest.sub(level).reinterpretAsInts();
            IntVector below = level.sub(low - 0.5f).reinterpretAsInts();
            found = found.add(above.or(below).lanewise(VectorOperators.LSHR, 31));
        }
        return found.reduceLanes(VectorOperators.ADD) + clippedScalar(x, at + i, count - i, scale, low, high);
    }

    static int clippedScalar(float[] x, int at, int count, float scale, int low, int high) {
        int found = 0;
        for (int i = 0; i < count; i++) {
            float level = x[at + i] / scale;
            if (level > high + 0.5f || level < low - 0.5f) {
                found++;
            }
        }
        return found;
    }

    /** The largest of {@code count} finite numbers, 0 when all are negative. */
    public static float largestAboveZero(float[] x, int at, int count) {
        return largest(x, at, count, 0);
    }

    /** The largest magnitude of the negative ones among {@code count} finite numbers, 0 when there are none. */
    public static float largestBelowZero(float[] x, int at, int count) {
        return largest(x, at, count, 0x80000000);
    }

    /** As integers, floats above zero are in order and others negative; with the sign turned, the reverse. */
    private static float largest(float[] x, int at, int count, int sign) {
        IntVector largest = IntVector.zero(Lanes.INTS);
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            largest = largest.max(Rounding.bits(x, at + i).lanewise(VectorOperators.XOR, sign));
        }
        int rest = largestScalar(x, at + i, count - i, sign);
        return Float.intBitsToFloat(Math.max(rest, largest.reduceLanes(VectorOperators.MAX)));
    }

    static int largestScalar(float[] x, int at, int count, int sign) {
        int largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Float.floatToRawIntBits(x[at + i]) ^ sign);
        }
        return largest;
    }
}
