package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every encoder and decoder without a scale search against the scalar twin that defines it, bit by bit. */
class RoundingKernelsTest {
    private static final int BLOCKS = 67;

    interface Encode {
        void apply(float[] x, int at, int blocks, byte[] to, int toAt);
    }

    interface Decode {
        void apply(byte[] from, int at, int blocks, float[] to, int toAt);
    }

    enum Kernel {
        Q4_0(
                32,
                18,
                (x, at, n, to, toAt) -> SymmetricRounding.encode(x, at, n, 4, to, toAt),
                (x, at, n, to, toAt) -> SymmetricRounding.encodeScalar(x, at, n, 4, to, toAt),
                (from, at, n, to, toAt) -> SymmetricRounding.decode(from, at, n, 4, to, toAt),
                (from, at, n, to, toAt) -> SymmetricRounding.decodeScalar(from, at, n, 4, to, toAt)),
        Q5_0(
                32,
                22,
                (x, at, n, to, toAt) -> SymmetricRounding.encode(x, at, n, 5, to, toAt),
                (x, at, n, to, toAt) -> SymmetricRounding.encodeScalar(x, at, n, 5, to, toAt),
                (from, at, n, to, toAt) -> SymmetricRounding.decode(from, at, n, 5, to, toAt),
                (from, at, n, to, toAt) -> SymmetricRounding.decodeScalar(from, at, n, 5, to, toAt)),
        Q4_1(
                32,
                20,
                (x, at, n, to, toAt) -> AffineRounding.encode(x, at, n, 4, to, toAt),
                (x, at, n, to, toAt) -> AffineRounding.encodeScalar(x, at, n, 4, to, toAt),
                (from, at, n, to, toAt) -> AffineRounding.decode(from, at, n, 4, to, toAt),
                (from, at, n, to, toAt) -> AffineRounding.decodeScalar(from, at, n, 4, to, toAt)),
        Q5_1(
                32,
                24,
                (x, at, n, to, toAt) -> AffineRounding.encode(x, at, n, 5, to, toAt),
                (x, at, n, to, toAt) -> AffineRounding.encodeScalar(x, at, n, 5, to, toAt),
                (from, at, n, to, toAt) -> AffineRounding.decode(from, at, n, 5, to, toAt),
                (from, at, n, to, toAt) -> AffineRounding.decodeScalar(from, at, n, 5, to, toAt)),
        Q8_0(32, 34, Q8Rounding::encode, Q8Rounding::encodeScalar, Q8Rounding::decode, Q8Rounding::decodeScalar),
        TQ1_0(
                256,
                54,
                TernaryRounding::encodeTq1,
                TernaryRounding::encodeTq1Scalar,
                TernaryRounding::decodeTq1,
                TernaryRounding::decodeTq1Scalar),
        TQ2_0(
                256,
                66,
                TernaryRounding::encodeTq2,
                TernaryRounding::encodeTq2Scalar,
                TernaryRounding::decodeTq2,
                TernaryRounding::decodeTq2Scalar),
        Q2_0(
                64,
                18,
                TernaryRounding::encodeQ2,
                TernaryRounding::encodeQ2Scalar,
                TernaryRounding::decodeQ2,
                TernaryRounding::decodeQ2Scalar),
        Q1_0(
                128,
                18,
                SignRounding::encode,
                SignRounding::encodeScalar,
                SignRounding::decode,
                SignRounding::decodeScalar),
        MXFP4(
                32,
                17,
                Fp4Rounding::encodeMx,
                Fp4Rounding::encodeMxScalar,
                Fp4Rounding::decodeMx,
                Fp4Rounding::decodeMxScalar),
        NVFP4(
                64,
                36,
                Fp4Rounding::encodeNv,
                Fp4Rounding::encodeNvScalar,
                Fp4Rounding::decodeNv,
                Fp4Rounding::decodeNvScalar);

        final int elements;
        final int bytes;
        final Encode encode;
        final Encode encodeScalar;
        final Decode decode;
        final Decode decodeScalar;

        Kernel(int elements, int bytes, Encode encode, Encode encodeScalar, Decode decode, Decode decodeScalar) {
            this.elements = elements;
            this.bytes = bytes;
            this.encode = encode;
            this.encodeScalar = encodeScalar;
            this.decode = decode;
            this.decodeScalar = decodeScalar;
        }
    }

    /** What a weight may be: a scale for the whole block, and the element's own value. */
    private enum Kind {
        NORMAL,
        ONE_SIGN,
        COARSE,
        SIGNED_ZEROS,
        SUBNORMAL,
        AROUND_THE_SMALLEST_SCALE,
        HUGE,
        NEXT_TO_POWERS_OF_TWO,
        ANY_BITS,
        NOT_ALL_FINITE;

        float[] block(Random random, int elements) {
            float[] x = new float[elements];
            float size = (float) Math.pow(2, random.nextInt(40) - 30);
            int power = random.nextInt(250) - 125;
            for (int i = 0; i < elements; i++) {
                float normal = (float) random.nextGaussian();
                x[i] = switch (this) {
                    case NORMAL -> size * normal;
                    case ONE_SIGN -> (random.nextInt(8) == 0 ? 0f : size) * Math.abs(normal);
                    case COARSE -> size * (random.nextInt(33) - 16);
                    case SIGNED_ZEROS -> random.nextInt(elements) == 0 ? 1f : random.nextBoolean() ? 0f : -0f;
                    case SUBNORMAL -> Float.MIN_VALUE * (random.nextInt(2001) - 1000);
                    case AROUND_THE_SMALLEST_SCALE -> 0x1p-126f * normal * (random.nextInt(elements) == 0 ? 64 : 1);
                    case HUGE -> Float.MAX_VALUE * (2 * random.nextFloat() - 1);
                    case NEXT_TO_POWERS_OF_TWO -> {
                        float v = (float) Math.scalb(1 - random.nextInt(80) * 0x1p-24, power - random.nextInt(3));
                        yield random.nextBoolean() ? v : -v;
                    }
                    case ANY_BITS -> {
                        float v = Float.intBitsToFloat(random.nextInt());
                        yield Math.abs(v) <= Float.MAX_VALUE ? v : 0f;
                    }
                    case NOT_ALL_FINITE -> {
                        float v = Float.intBitsToFloat(random.nextInt() | 0x7f800000);
                        yield random.nextInt(elements) == 0 ? v : normal;
                    }
                };
            }
            return x;
        }
    }

    @ParameterizedTest
    @EnumSource
    void encodersEqualTheirScalarTwins(Kernel kernel) {
        for (Kind kind : Kind.values()) {
            for (long seed = 1; seed <= 12; seed++) {
                Random random = new Random(seed);
                float[] x = new float[3 + BLOCKS * kernel.elements];
                for (int b = 0; b < BLOCKS; b++) {
                    float[] block = kind.block(random, kernel.elements);
                    System.arraycopy(block, 0, x, 3 + b * kernel.elements, kernel.elements);
                }
                byte[] expected = new byte[5 + BLOCKS * kernel.bytes + 40];
                Arrays.fill(expected, (byte) 0x5a);
                byte[] actual = expected.clone();
                kernel.encodeScalar.apply(x, 3, BLOCKS, expected, 5);
                kernel.encode.apply(x, 3, BLOCKS, actual, 5);
                assertArrayEquals(expected, actual, kind + ", seed " + seed);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void decodersEqualTheirScalarTwins(Kernel kernel) {
        for (long seed = 1; seed <= 20; seed++) {
            byte[] blocks = new byte[5 + BLOCKS * kernel.bytes];
            new Random(seed).nextBytes(blocks);
            float[] expected = new float[3 + BLOCKS * kernel.elements + 40];
            Arrays.fill(expected, 1234f);
            float[] actual = expected.clone();
            kernel.decodeScalar.apply(blocks, 5, BLOCKS, expected, 3);
            kernel.decode.apply(blocks, 5, BLOCKS, actual, 3);
            for (int i = 0; i < expected.length; i++) {
                int bits = Float.floatToRawIntBits(expected[i]);
                boolean same = bits == Float.floatToRawIntBits(actual[i])
                        || Float.isNaN(expected[i]) && Float.isNaN(actual[i]);
                assertEquals(true, same, "element " + i + ", seed " + seed);
            }
        }
    }

    @Test
    void fractionsOfAllLevelsComeOutAgain() {
        float[] x = new float[256];
        byte[] block = new byte[54];
        float[] decoded = new float[256];
        for (int value = 0; value < 243; value++) {
            for (int n = 0, rest = value; n < 5; n++, rest /= 3) {
                x[32 * n] = rest % 3 - 1;
            }
            x[255] = 1f;
            TernaryRounding.encodeTq1(x, 0, 1, block, 0);
            TernaryRounding.decodeTq1(block, 0, 1, decoded, 0);
            assertArrayEquals(x, decoded, "levels " + value);
        }
    }
}
