package io.sparkgguf.kernel;

/** IEEE 754 binary16 by integer operations: what the scales of blocks are stored in. The JDK has it from 20 on only. */
public final class Binary16 {
    private static final int INFINITY = 0x7c00;
    private static final int QUIET_NAN = 0x7e00;
    private static final int SMALLEST_NORMAL = 0x38800000; // 2^-14 as binary32
    private static final int BEYOND_LARGEST = 0x47800000; // 2^16 as binary32
    private static final int BIAS = (127 - 15) << 23;
    private static final float SMALLEST = 0x1p-24f;

    private Binary16() {}

    /** The nearest binary16, ties to even; beyond the largest an infinity; any NaN becomes the quiet one of its sign. */
    public static short fromFloat(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        int magnitude = bits & 0x7fffffff;
        if (magnitude > 0x7f800000) {
            return (short) (sign | QUIET_NAN);
        }
        if (magnitude < SMALLEST_NORMAL) {
            // Adding 2^23 of the smallest subnormals leaves the rounded number of them in the mantissa.
            float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
            return (short) (sign | Float.floatToRawIntBits(shifted) - Float.floatToRawIntBits(0.5f));
        }
        int rounded = magnitude + 0xfff + (magnitude >>> 13 & 1);
        return (short) (sign | (rounded < 0 || rounded >= BEYOND_LARGEST ? INFINITY : rounded - BIAS >>> 13));
    }

    /** The same number as binary32. */
    public static float toFloat(short half) {
        int sign = (half & 0x8000) << 16;
        int magnitude = half & 0x7fff;
        if (magnitude < 0x400) {
            return Float.intBitsToFloat(sign | Float.floatToRawIntBits(magnitude * SMALLEST));
        }
        int exponent = magnitude >= INFINITY ? 0x7f800000 | magnitude << 13 : (magnitude << 13) + BIAS;
        return Float.intBitsToFloat(sign | exponent);
    }

    /** Whether it is neither infinite nor NaN. */
    public static boolean isFinite(short half) {
        return (half & INFINITY) != INFINITY;
    }
}
