package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Searches for infinities and NaNs: elements whose exponent bits are all set. Each search gives the index of the first
 * among {@code count}, or -1.
 */
public final class Finite {
    private static final int F32_EXPONENT = 0x7f800000;
    private static final int F16_EXPONENT = 0x7c00;
    private static final int BF16_EXPONENT = 0x7f80;

    /** Elements that are looked through before asking whether one of them was no number; a multiple of all lanes. */
    private static final int CHUNK = 1024;

    private Finite() {}

    /** Among floats. */
    public static int firstNonFinite(float[] x, int at, int count) {
        int i = 0;
        for (; i <= count - CHUNK; i += CHUNK) {
            IntVector largest = IntVector.zero(INTS);
            for (int j = 0; j < CHUNK; j += WIDTH) {
                largest = largest.max(Rounding.bits(x, at + i + j).and(0x7fffffff));
            }
            if (largest.reduceLanes(VectorOperators.MAX) >= F32_EXPONENT) {
                break;
            }
        }
        return offset(i, firstNonFiniteScalar(x, at + i, count - i));
    }

    static int firstNonFiniteScalar(float[] x, int at, int count) {
        for (int i = 0; i < count; i++) {
            if (!(Math.abs(x[at + i]) <= Float.MAX_VALUE)) {
                return i;
            }
        }
        return -1;
    }

    /** Among little-endian float32s from byte {@code at}. */
    public static int firstNonFiniteF32(byte[] x, int at, int count) {
        int i = 0;
        for (; i <= count - CHUNK; i += CHUNK) {
            IntVector largest = IntVector.zero(INTS);
            for (int j = 0; j < CHUNK; j += WIDTH) {
                IntVector bits = ByteVector.fromArray(ByteLanes.INT_BYTES, x, at + 4 * (i + j))
                        .reinterpretAsInts();
                largest = largest.max(bits.and(0x7fffffff));
            }
            if (largest.reduceLanes(VectorOperators.MAX) >= F32_EXPONENT) {
                break;
            }
        }
        for (; i < count; i++) {
            if ((ByteLanes.getInt(x, at + 4 * i) & F32_EXPONENT) == F32_EXPONENT) {
                return i;
            }
        }
        return -1;
    }

    /** Among little-endian binary16s from byte {@code at}. */
    public static int firstNonFiniteF16(byte[] x, int at, int count) {
        return firstWithExponent(F16_EXPONENT, x, at, count);
    }

    /** Among little-endian bfloat16s from byte {@code at}. */
    public static int firstNonFiniteBf16(byte[] x, int at, int count) {
        return firstWithExponent(BF16_EXPONENT, x, at, count);
    }

    private static int firstWithExponent(int exponent, byte[] x, int at, int count) {
        int i = 0;
        for (; i <= count - CHUNK; i += CHUNK) {
            ShortVector largest = ShortVector.zero(ByteLanes.SHORTS);
            for (int j = 0; j < CHUNK; j += WIDTH) {
                ShortVector bits = ByteVector.fromArray(ByteLanes.SHORT_BYTES, x, at + 2 * (i + j))
                        .reinterpretAsShorts();
                largest = largest.max(bits.and((short) 0x7fff));
            }
            if (largest.reduceLanes(VectorOperators.MAX) >= exponent) {
                break;
            }
        }
        for (; i < count; i++) {
            if ((ByteLanes.getShort(x, at + 2 * i) & exponent) == exponent) {
                return i;
            }
        }
        return -1;
    }

    /** Among binary16s that lie {@code stride} bytes apart from byte {@code at}: the scales of blocks. */
    public static int firstNonFiniteF16(byte[] x, int at, int count, int stride) {
        for (int i = 0; i < count; i++) {
            if ((ByteLanes.getShort(x, at + i * stride) & F16_EXPONENT) == F16_EXPONENT) {
                return i;
            }
        }
        return -1;
    }

    private static int offset(int skipped, int found) {
        return found < 0 ? -1 : skipped + found;
    }
}
