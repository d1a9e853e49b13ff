package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class HalvesTest {
    private static final int PATTERNS = 1 << 16;

    enum Half {
        F16(5, Halves::fromF16, Halves::toF16) {
            @Override
            void decode(byte[] from, int at, int count, float[] to, int toAt) {
                Halves.f16ToF32(from, at, count, to, toAt);
            }

            @Override
            void decodeScalar(byte[] from, int at, int count, float[] to, int toAt) {
                Halves.f16ToF32Scalar(from, at, count, to, toAt);
            }

            @Override
            void encode(float[] from, int at, int count, byte[] to, int toAt) {
                Halves.f32ToF16(from, at, count, to, toAt);
            }

            @Override
            void encodeScalar(float[] from, int at, int count, byte[] to, int toAt) {
                Halves.f32ToF16Scalar(from, at, count, to, toAt);
            }
        },
        BF16(8, Halves::fromBf16, Halves::toBf16) {
            @Override
            void decode(byte[] from, int at, int count, float[] to, int toAt) {
                Halves.bf16ToF32(from, at, count, to, toAt);
            }

            @Override
            void decodeScalar(byte[] from, int at, int count, float[] to, int toAt) {
                Halves.bf16ToF32Scalar(from, at, count, to, toAt);
            }

            @Override
            void encode(float[] from, int at, int count, byte[] to, int toAt) {
                Halves.f32ToBf16(from, at, count, to, toAt);
            }

            @Override
            void encodeScalar(float[] from, int at, int count, byte[] to, int toAt) {
                Halves.f32ToBf16Scalar(from, at, count, to, toAt);
            }
        };

        interface FromFloat {
            int apply(float value);
        }

        final int exponentBits;
        final IntToDoubleFunction toFloat;
        final FromFloat fromFloat;

        Half(int exponentBits, IntToDoubleFunction toFloat, FromFloat fromFloat) {
            this.exponentBits = exponentBits;
            this.toFloat = toFloat;
            this.fromFloat = fromFloat;
        }

        abstract void decode(byte[] from, int at, int count, float[] to, int toAt);

        abstract void decodeScalar(byte[] from, int at, int count, float[] to, int toAt);

        abstract void encode(float[] from, int at, int count, byte[] to, int toAt);

        abstract void encodeScalar(float[] from, int at, int count, byte[] to, int toAt);

        /** IEEE 754's definition of the value of a bit pattern, in double. */
        double value(int pattern) {
            int fractionBits = 15 - exponentBits;
            int exponent = pattern >>> fractionBits & (1 << exponentBits) - 1;
            int fraction = pattern & (1 << fractionBits) - 1;
            int bias = (1 << exponentBits - 1) - 1;
            double sign = pattern >>> 15 == 0 ? 1 : -1;
            if (exponent == (1 << exponentBits) - 1) {
                return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
            }
            double significand = fraction / (double) (1 << fractionBits) + (exponent == 0 ? 0 : 1);
            return sign * significand * Math.pow(2, Math.max(exponent, 1) - bias);
        }

        int largestFinite() {
            return ((1 << exponentBits) - 1 << 15 - exponentBits) - 1;
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyPatternHasTheValueOfItsDefinition(Half half) {
        byte[] bytes = new byte[2 * PATTERNS];
        for (int p = 0; p < PATTERNS; p++) {
            ByteLanes.putShort(bytes, 2 * p, p);
        }
        float[] decoded = new float[PATTERNS];
        half.decode(bytes, 0, PATTERNS, decoded, 0);
        byte[] again = new byte[2 * PATTERNS];
        half.encode(decoded, 0, PATTERNS, again, 0);
        for (int p = 0; p < PATTERNS; p++) {
            double value = half.value(p);
            String what = "pattern " + Integer.toHexString(p);
            assertEquals((float) value, decoded[p], what);
            assertEquals((float) value, (float) half.toFloat.applyAsDouble(p), what);
            int back = ByteLanes.getShort(again, 2 * p);
            assertEquals(half.fromFloat.apply(decoded[p]), back, what);
            if (Double.isNaN(value)) {
                assertTrue(Double.isNaN(half.value(back)), what);
                assertEquals(p >>> 15, back >>> 15, what);
            } else {
                assertEquals(p, back, what);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void roundsToTheNearestAndTiesToEven(Half half) {
        for (int p = 0; p < half.largestFinite(); p++) {
            float middle = (float) ((half.value(p) + half.value(p + 1)) / 2);
            assertEquals((half.value(p) + half.value(p + 1)) / 2, middle, "the middle is a float32");
            int even = p % 2 == 0 ? p : p + 1;
            assertRounds(half, p, Math.nextDown(middle));
            assertRounds(half, even, middle);
            assertRounds(half, p + 1, Math.nextUp(middle));
            assertRounds(half, even | 0x8000, -middle);
        }
        int last = half.largestFinite();
        double step = half.value(last) - half.value(last - 1);
        float middle = (float) (half.value(last) + step / 2);
        assertRounds(half, last, Math.nextDown(middle));
        assertRounds(half, last + 1, middle);
        assertRounds(half, last + 1, Float.MAX_VALUE);
        assertRounds(half, last + 1, Float.POSITIVE_INFINITY);
        assertRounds(half, 0x8000 | last + 1, Float.NEGATIVE_INFINITY);
    }

    private static void assertRounds(Half half, int expected, float value) {
        float[] values = new float[Lanes.WIDTH];
        java.util.Arrays.fill(values, value);
        byte[] bytes = new byte[2 * values.length];
        half.encode(values, 0, values.length, bytes, 0);
        String what = half + " of " + value;
        assertEquals(expected, half.fromFloat.apply(value), what);
        assertEquals(expected, ByteLanes.getShort(bytes, 0), what + ", in lanes");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 257, 4099})
    void lanesEqualTheScalarTwinForAnyLength(int count) {
        long seed = 7 + count;
        Random random = new Random(seed);
        for (Half half : Half.values()) {
            float[] from = new float[count + 3];
            for (int i = 0; i < from.length; i++) {
                from[i] = Float.intBitsToFloat(random.nextInt());
            }
            byte[] expected = new byte[2 * count + 9];
            byte[] actual = expected.clone();
            half.encodeScalar(from, 2, count, expected, 5);
            half.encode(from, 2, count, actual, 5);
            assertArrayEquals(expected, actual, half + ", seed " + seed);

            float[] decodedExpected = new float[count + 3];
            float[] decoded = decodedExpected.clone();
            random.nextBytes(actual);
            half.decodeScalar(actual, 5, count, decodedExpected, 1);
            half.decode(actual, 5, count, decoded, 1);
            for (int i = 0; i < decoded.length; i++) {
                assertEquals(
                        Float.floatToRawIntBits(decodedExpected[i]),
                        Float.floatToRawIntBits(decoded[i]),
                        half + " element " + i + ", seed " + seed);
            }
        }
    }

    @Test
    void nansKeepTheirSign() {
        assertEquals(0x7e00, Halves.toF16(Float.NaN));
        assertEquals(0xfe00, Halves.toF16(Float.intBitsToFloat(0xff800001)));
        assertEquals(0x7fc0, Halves.toBf16(Float.intBitsToFloat(0x7f800001)));
        assertEquals(0xffd5, Halves.toBf16(Float.intBitsToFloat(0xff951234)));
    }
}
