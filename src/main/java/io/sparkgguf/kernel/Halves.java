package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.FLOATS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Conversions between float32 and the two 16-bit floats, by integer operations: IEEE binary16 (F16) and bfloat16
 * (BF16). Rounding is to nearest, ties to even; subnormals are kept; what exceeds the range becomes infinite.
 *
 * <p>NaNs: to F16 they become 0x7E00 with their sign, to BF16 they keep their upper bits and turn quiet; back to float32
 * the payload is kept. Source: IEEE 754, and for the NaNs what ggml does.
 *
 * <p>Array forms take {@code count} elements; a 16-bit element is two bytes, little-endian, from byte {@code at}.
 */
public final class Halves {
    private static final int SIGN = 0x80000000;
    private static final int INFINITE = 0x7f800000;
    /** What a binary16's exponent lacks to that of the float32 of the same value, in place: (127 - 15) * 2^23. */
    private static final int REBIAS = 112 << 23;
    /** 2^-14, the smallest normal binary16, as float32 bits. */
    private static final int SMALLEST_NORMAL = 113 << 23;

    private Halves() {}

    /** The float32 of the binary16 in the low 16 bits; exact. */
    public static float fromF16(int half) {
        int sign = (half & 0x8000) << 16;
        int magnitude = (half & 0x7fff) << 13;
        int bits;
        if (magnitude < 1 << 23) {
            // A subnormal m * 2^-24: as the fraction of 2^-14, less that 2^-14 itself.
            float shifted = Float.intBitsToFloat(magnitude + SMALLEST_NORMAL);
            bits = Float.floatToRawIntBits(shifted - Float.intBitsToFloat(SMALLEST_NORMAL));
        } else if (magnitude < 31 << 23) {
            bits = magnitude + REBIAS;
        } else {
            bits = magnitude + 2 * REBIAS;
        }
        return Float.intBitsToFloat(sign | bits);
    }

    /** The nearest binary16, in the low 16 bits. */
    public static int toF16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        int magnitude = bits & ~SIGN;
        if (magnitude > INFINITE) {
            return sign | 0x7e00;
        }
        if (magnitude < SMALLEST_NORMAL) {
            // The last bit of 0.5f is worth 2^-24, as is that of a subnormal: the addition rounds.
            return sign | Float.floatToRawIntBits(Float.intBitsToFloat(magnitude) + 0.5f) - (126 << 23);
        }
        int rounded = (magnitude - REBIAS + 0xfff + (magnitude >>> 13 & 1)) >>> 13;
        return sign | Math.min(rounded, 0x7c00);
    }

    /** The float32 of the bfloat16 in the low 16 bits; exact. */
    public static float fromBf16(int half) {
        return Float.intBitsToFloat(half << 16);
    }

    /** The nearest bfloat16, in the low 16 bits. */
    public static int toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & ~SIGN) > INFINITE) {
            return bits >>> 16 | 0x40;
        }
        return (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16;
    }

    public static void f16ToF32(byte[] from, int at, int count, float[] to, int toAt) {
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            fromF16(ByteLanes.loadShorts(from, at + 2 * i)).intoArray(to, toAt + i);
        }
        f16ToF32Scalar(from, at + 2 * i, count - i, to, toAt + i);
    }

    static void f16ToF32Scalar(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = fromF16(ByteLanes.getShort(from, at + 2 * i));
        }
    }

    public static void f32ToF16(float[] from, int at, int count, byte[] to, int toAt) {
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            ByteLanes.storeShorts(toF16(FloatVector.fromArray(FLOATS, from, at + i)), to, toAt + 2 * i);
        }
        f32ToF16Scalar(from, at + i, count - i, to, toAt + 2 * i);
    }

    static void f32ToF16Scalar(float[] from, int at, int count, byte[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            ByteLanes.putShort(to, toAt + 2 * i, toF16(from[at + i]));
        }
    }

    public static void bf16ToF32(byte[] from, int at, int count, float[] to, int toAt) {
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            ByteLanes.loadShorts(from, at + 2 * i)
                    .lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .intoArray(to, toAt + i);
        }
        bf16ToF32Scalar(from, at + 2 * i, count - i, to, toAt + i);
    }

    static void bf16ToF32Scalar(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = fromBf16(ByteLanes.getShort(from, at + 2 * i));
        }
    }

    public static void f32ToBf16(float[] from, int at, int count, byte[] to, int toAt) {
        int i = 0;
        for (; i <= count - WIDTH; i += WIDTH) {
            ByteLanes.storeShorts(toBf16(FloatVector.fromArray(FLOATS, from, at + i)), to, toAt + 2 * i);
        }
        f32ToBf16Scalar(from, at + i, count - i, to, toAt + 2 * i);
    }

    static void f32ToBf16Scalar(float[] from, int at, int count, byte[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            ByteLanes.putShort(to, toAt + 2 * i, toBf16(from[at + i]));
        }
    }

    /** {@link #fromF16(int)} of the low 16 bits of every lane. */
    static FloatVector fromF16(IntVector halves) {
        IntVector sign = halves.and(0x8000).lanewise(VectorOperators.LSHL, 16);
        IntVector magnitude = halves.and(0x7fff).lanewise(VectorOperators.LSHL, 13);
        IntVector subnormal = magnitude
                .add(SMALLEST_NORMAL)
                .reinterpretAsFloats()
                .sub(Float.intBitsToFloat(SMALLEST_NORMAL))
                .reinterpretAsInts();
        VectorMask<Integer> small = magnitude.compare(VectorOperators.LT, 1 << 23);
        VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 31 << 23);
        return magnitude
                .add(REBIAS)
                .blend(subnormal, small)
                .blend(magnitude.add(2 * REBIAS), special)
                .or(sign)
                .reinterpretAsFloats();
    }

    /** {@link #toF16(float)} of every lane, in its low 16 bits. */
    static IntVector toF16(FloatVector values) {
        IntVector bits = values.reinterpretAsInts();
        IntVector sign = bits.lanewise(VectorOperators.LSHR, 16).and(0x8000);
        IntVector magnitude = bits.and(~SIGN);
        IntVector subnormal =
                magnitude.reinterpretAsFloats().add(0.5f).reinterpretAsInts().sub(126 << 23);
        IntVector even = magnitude.lanewise(VectorOperators.LSHR, 13).and(1);
        IntVector rounded = magnitude
                .add(0xfff - REBIAS)
                .add(even)
                .lanewise(VectorOperators.LSHR, 13)
                .min(0x7c00);
        return rounded.blend(subnormal, magnitude.compare(VectorOperators.LT, SMALLEST_NORMAL))
                .blend(0x7e00, magnitude.compare(VectorOperators.GT, INFINITE))
                .or(sign);
    }

    /** {@link #toBf16(float)} of every lane, in its low 16 bits. */
    static IntVector toBf16(FloatVector values) {
        IntVector bits = values.reinterpretAsInts();
        IntVector upper = bits.lanewise(VectorOperators.LSHR, 16);
        IntVector rounded = bits.add(0x7fff).add(upper.and(1)).lanewise(VectorOperators.LSHR, 16);
        return rounded.blend(upper.or(0x40), bits.and(~SIGN).compare(VectorOperators.GT, INFINITE));
    }
}
