package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.FLOATS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * What the formats without a scale search share: the extremes of a block, reciprocals, and rounding to integers.
 *
 * <p>Finite floats are compared as integers where their order is that of their bits: maxima of integers are the same in
 * any order of lanes, and fast on every JDK. Casts from float to int are slow on JDK 17; adding and subtracting 2^23
 * does the same for numbers up to that.
 */
final class Rounding {
    /** 2^23: floats from here to 2^24 are the integers, in their low 23 bits. */
    static final float INTEGERS = 8388608f;

    /** The bits of {@link #INTEGERS}, to which a sum of it and an integer below 2^23 adds that integer. */
    static final int INTEGER_BITS = 0x4b000000;

    /** The largest float below 0.5: adding it and truncating rounds half away from zero without a slip just below. */
    private static final float BELOW_HALF = 0.49999997f;

    private static final int MAGNITUDE = 0x7fffffff;
    private static final int SIGN = 0x80000000;
    private static final int INFINITE = 0x7f800000;

    private Rounding() {}

    /** The largest |x|; {@code count} is a multiple of the lanes. */
    static float largest(float[] x, int at, int count) {
        IntVector largest = IntVector.zero(Lanes.INTS);
        for (int i = 0; i < count; i += WIDTH) {
            largest = largest.max(bits(x, at + i).and(MAGNITUDE));
        }
        return Float.intBitsToFloat(largest.reduceLanes(VectorOperators.MAX));
    }

    /** {@link #largest} of any count, element by element. */
    static float largestScalar(float[] x, int at, int count) {
        float largest = 0f;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Math.abs(x[at + i]));
        }
        return largest;
    }

    /** The element of largest magnitude, with its sign; the first of several; +0 when all are zero. */
    static float extreme(float[] x, int at, int count) {
        // As integers, positive floats are in order and negative ones below zero; with the sign turned, the reverse.
        IntVector above = IntVector.zero(Lanes.INTS);
        IntVector below = above;
        for (int i = 0; i < count; i += WIDTH) {
            IntVector bits = bits(x, at + i);
            above = above.max(bits);
            below = below.max(bits.lanewise(VectorOperators.XOR, SIGN));
        }
        int largest = above.reduceLanes(VectorOperators.MAX);
        int smallest = below.reduceLanes(VectorOperators.MAX);
        if (largest == smallest && largest < INFINITE) {
            return extremeScalar(x, at, count);
        }
        return Float.intBitsToFloat(largest > smallest ? largest : smallest | SIGN);
    }

    /** {@link #extreme} of any count, element by element. */
    static float extremeScalar(float[] x, int at, int count) {
        float extreme = 0f;
        for (int i = 0; i < count; i++) {
            if (Math.abs(x[at + i]) > Math.abs(extreme)) {
                extreme = x[at + i];
            }
        }
        return extreme;
    }

    /** Writes a scale as F16; what is no number always as the same NaN. */
    static void putScale(byte[] to, int at, float d) {
        ByteLanes.putShort(to, at, Float.isNaN(d) ? 0x7e00 : Halves.toF16(d));
    }

    static float getScale(byte[] from, int at) {
        return Halves.fromF16(ByteLanes.getShort(from, at));
    }

    /**
     * Whether a block with this scale is for the lanes: all its weights are finite, and so is the scale's reciprocal.
     * Other blocks are left to the scalar twins.
     */
    static boolean isPlain(float d, float inverse) {
        return Math.abs(d) <= Float.MAX_VALUE && Math.abs(inverse) <= Float.MAX_VALUE;
    }

    /** 1 / d, or 0 when d is zero; infinite when |d| is below about 2^-128. */
    static float reciprocal(float d) {
        return d == 0f ? 0f : 1f / d;
    }

    /** The integer part, for |v| < 2^31; 0 for what is larger or no number, as in the low bytes of x86's conversion. */
    static int truncate(float v) {
        return Math.abs(v) < 0x1p31f ? (int) v : 0;
    }

    /** The nearest integer, half away from zero; 0 where {@link #truncate} is. */
    static int roundAway(float v) {
        if (!(Math.abs(v) < 0x1p31f)) {
            return 0;
        }
        int whole = (int) v;
        float rest = v - whole;
        if (rest >= 0.5f) {
            return whole + 1;
        }
        return rest <= -0.5f ? whole - 1 : whole;
    }

    /**
     * {@link #truncate} of lanes from 0 to 2^22, in the low 23 bits of {@link #INTEGER_BITS} plus it.
     */
    static IntVector truncate(FloatVector v) {
        FloatVector shifted = v.add(INTEGERS);
        FloatVector nearest = shifted.sub(INTEGERS);
        IntVector tooFar = ByteLanes.negative(v.sub(nearest).reinterpretAsInts());
        return shifted.reinterpretAsInts().add(tooFar);
    }

    /** {@link #roundAway} of lanes up to 2^21 in magnitude, in their low byte only. */
    static IntVector roundAway(FloatVector v) {
        IntVector bits = v.reinterpretAsInts();
        IntVector negative = ByteLanes.negative(bits);
        FloatVector magnitude = bits.and(MAGNITUDE).reinterpretAsFloats();
        IntVector rounded = truncate(magnitude.add(BELOW_HALF));
        return rounded.lanewise(VectorOperators.XOR, negative).sub(negative);
    }

    /** Integers as floats; exact up to 2^24. */
    static FloatVector floats(IntVector v) {
        return (FloatVector) v.convert(VectorOperators.I2F, 0);
    }

    static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    static IntVector bits(float[] x, int at) {
        return load(x, at).reinterpretAsInts();
    }
}
