package io.sparkgguf.kernel;

/** Rounding and clamping of single numbers, as the scalar definitions need them. */
final class NearestInt {
    private NearestInt() {}

    /** v rounded to the nearest integer, ties to even; beyond ±2^22 and for NaN whatever 23 bits of mantissa hold. */
    static int nearest(float v) {
        return (Float.floatToRawIntBits(v + Lanes.ROUND) & 0x7fffff) - 0x400000;
    }

    /** {@link #nearest}, clamped to {@code -half} and {@code half - 1}. */
    static int level(float v, int half) {
        return Math.max(-half, Math.min(half - 1, nearest(v)));
    }
}
