package io.sparkgguf.kernel;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The scalar types besides the 16-bit floats, little-endian, as float32. Integers and F64 are rounded to the nearest
 * float32, ties to even; F64 beyond its range becomes infinite.
 *
 * <p>Decoders read {@code count} elements from byte {@code at}. Sources: IEEE 754; OCP 8-bit floating point
 * specification (E4M3 without infinities, NaN where all bits but the sign are set; E5M2 as the upper byte of a binary16);
 * OCP microscaling formats (E8M0: 2^(e - 127), NaN at 255).
 */
public final class Scalars {
    private static final float[] F8_E4M3 = new float[256];
    private static final float[] F8_E5M2 = new float[256];
    private static final float[] F8_E8M0 = new float[256];

    static {
        for (int code = 0; code < 256; code++) {
            int exponent = code >>> 3 & 15;
            int mantissa = code & 7;
            float magnitude = exponent == 0 ? mantissa * 0x1p-9f : Math.scalb(8f + mantissa, exponent - 10);
            F8_E4M3[code] = (code & 0x7f) == 0x7f ? Float.NaN : code < 128 ? magnitude : -magnitude;
            F8_E5M2[code] = Halves.fromF16(code << 8);
            F8_E8M0[code] = code == 255 ? Float.NaN : Math.scalb(1f, code - 127);
        }
    }

    private Scalars() {}

    public static void encodeF32(float[] x, int at, int count, byte[] to, int toAt) {
        ByteBuffer.wrap(to, toAt, 4 * count)
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .put(x, at, count);
    }

    public static void decodeF32(byte[] from, int at, int count, float[] to, int toAt) {
        ByteBuffer.wrap(from, at, 4 * count)
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(to, toAt, count);
    }

    public static void decodeF64(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = (float) Double.longBitsToDouble(ByteLanes.getLong(from, at + 8 * i));
        }
    }

    public static void decodeI64(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = ByteLanes.getLong(from, at + 8 * i);
        }
    }

    public static void decodeU64(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            long value = ByteLanes.getLong(from, at + 8 * i);
            // Halved when it does not fit a signed long; the bit that drops out still counts for the rounding.
            to[toAt + i] = value >= 0 ? value : 2f * (value >>> 1 | value & 1);
        }
    }

    public static void decodeI32(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = ByteLanes.getInt(from, at + 4 * i);
        }
    }

    public static void decodeU32(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = Integer.toUnsignedLong(ByteLanes.getInt(from, at + 4 * i));
        }
    }

    public static void decodeI16(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = (short) ByteLanes.getShort(from, at + 2 * i);
        }
    }

    public static void decodeU16(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = ByteLanes.getShort(from, at + 2 * i);
        }
    }

    public static void decodeI8(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = from[at + i];
        }
    }

    public static void decodeU8(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = from[at + i] & 0xff;
        }
    }

    /** 0 for a zero byte, 1 for any other. */
    public static void decodeBool(byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = from[at + i] == 0 ? 0f : 1f;
        }
    }

    public static void decodeF8E4M3(byte[] from, int at, int count, float[] to, int toAt) {
        lookUp(F8_E4M3, from, at, count, to, toAt);
    }

    public static void decodeF8E5M2(byte[] from, int at, int count, float[] to, int toAt) {
        lookUp(F8_E5M2, from, at, count, to, toAt);
    }

    public static void decodeF8E8M0(byte[] from, int at, int count, float[] to, int toAt) {
        lookUp(F8_E8M0, from, at, count, to, toAt);
    }

    private static void lookUp(float[] values, byte[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] = values[from[at + i] & 0xff];
        }
    }
}
