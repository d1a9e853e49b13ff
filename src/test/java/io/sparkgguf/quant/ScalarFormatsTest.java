package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Encoding;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ScalarFormatsTest {

    static Stream<Arguments> integers() {
        return Stream.of(
                Arguments.of(BlockType.I8, true),
                Arguments.of(BlockType.I16, true),
                Arguments.of(BlockType.I32, true),
                Arguments.of(BlockType.I64, true),
                Arguments.of(DType.I8, true),
                Arguments.of(DType.I16, true),
                Arguments.of(DType.I32, true),
                Arguments.of(DType.I64, true),
                Arguments.of(DType.U8, false),
                Arguments.of(DType.U16, false),
                Arguments.of(DType.U32, false),
                Arguments.of(DType.U64, false));
    }

    @ParameterizedTest
    @MethodSource("integers")
    void integersBecomeTheNearestFloat(Encoding encoding, boolean signed) {
        int size = encoding.blockBytes();
        long seed = 11;
        byte[] bytes = new byte[3 + 3000 * size];
        new Random(seed).nextBytes(bytes);
        // Between two floats, where only the last bit decides.
        for (int i = 0; i < 1000 && size == 8; i++) {
            ByteBuffer.wrap(bytes)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(3 + 8 * i, (1L << 63) + ((2L * i + 1) << 39) + i % 3 - 1);
        }
        float[] decoded = new float[3002];
        BlockFormats.of(encoding).decode(bytes, 3, 3000, decoded, 2);
        for (int i = 0; i < 3000; i++) {
            byte[] digits = new byte[size];
            for (int k = 0; k < size; k++) {
                digits[size - 1 - k] = bytes[3 + i * size + k];
            }
            BigInteger value = signed ? new BigInteger(digits) : new BigInteger(1, digits);
            assertEquals(value.floatValue(), decoded[2 + i], encoding.label() + " " + value + ", seed " + seed);
        }
    }

    @ParameterizedTest
    @MethodSource("doubles")
    void doublesBecomeTheNearestFloat(Encoding encoding) {
        double[] values = {
            0, -0.0, Math.PI, 1 + 0x1p-24, 1 + 0x3p-24, -1e-42, 0x1.fffffefffffffp127, Double.MIN_VALUE, Float.MAX_VALUE
        };
        ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            bytes.putDouble(value);
        }
        float[] decoded = new float[values.length];
        BlockFormat format = BlockFormats.of(encoding);
        format.decode(bytes.array(), 0, values.length, decoded, 0);
        for (int i = 0; i < values.length; i++) {
            assertEquals(
                    values[i] == 0 ? (float) values[i] : new BigDecimal(values[i]).floatValue(),
                    decoded[i] == 0 && values[i] != 0 ? 0f : decoded[i],
                    "of " + values[i]);
        }
        assertEquals(-1, format.firstNonFinite(bytes.array(), 0, values.length));
        bytes.putDouble(8 * 3, 1e39); // finite, but not in float32
        assertEquals(3, format.firstNonFinite(bytes.array(), 0, values.length));
        bytes.putDouble(8 * 2, Double.NaN);
        assertEquals(2, format.firstNonFinite(bytes.array(), 0, values.length));
    }

    static Stream<Encoding> doubles() {
        return Stream.of(BlockType.F64, DType.F64);
    }

    @Test
    void everyPatternOfTheEightBitFloatsHasTheValueOfItsDefinition() {
        byte[] patterns = new byte[256];
        for (int p = 0; p < 256; p++) {
            patterns[p] = (byte) p;
        }
        float[] e4m3 = new float[256];
        float[] e5m2 = new float[256];
        float[] e8m0 = new float[256];
        BlockFormats.of(DType.F8_E4M3).decode(patterns, 0, 256, e4m3, 0);
        BlockFormats.of(DType.F8_E5M2).decode(patterns, 0, 256, e5m2, 0);
        BlockFormats.of(DType.F8_E8M0).decode(patterns, 0, 256, e8m0, 0);
        for (int p = 0; p < 256; p++) {
            boolean nan = (p & 127) == 127;
            assertEquals(nan ? Float.NaN : (float) small(p, 4, 7), e4m3[p], "E4M3 " + p);
            boolean special = (p & 0x7c) == 0x7c;
            float infinity = p < 128 ? Float.POSITIVE_INFINITY : Float.NEGATIVE_INFINITY;
            assertEquals(special ? (p & 3) == 0 ? infinity : Float.NaN : (float) small(p, 5, 15), e5m2[p], "E5M2 " + p);
            assertEquals(p == 255 ? Float.NaN : (float) Math.pow(2, p - 127), e8m0[p], "E8M0 " + p);
        }
        assertEquals(0x7f, BlockFormats.of(DType.F8_E4M3).firstNonFinite(patterns, 0, 256));
        assertEquals(0x7c, BlockFormats.of(DType.F8_E5M2).firstNonFinite(patterns, 0, 256));
        assertEquals(0xff, BlockFormats.of(DType.F8_E8M0).firstNonFinite(patterns, 0, 256));
    }

    private static double small(int pattern, int exponentBits, int bias) {
        int fractionBits = 7 - exponentBits;
        int exponent = pattern >> fractionBits & (1 << exponentBits) - 1;
        double fraction = (pattern & (1 << fractionBits) - 1) / Math.pow(2, fractionBits);
        double magnitude =
                exponent == 0 ? fraction * Math.pow(2, 1 - bias) : (1 + fraction) * Math.pow(2, exponent - bias);
        return pattern < 128 ? magnitude : -magnitude;
    }

    @Test
    void boolsAreZeroOrOne() {
        float[] decoded = new float[4];
        BlockFormats.of(DType.BOOL).decode(new byte[] {0, 1, 2, -1}, 0, 4, decoded, 0);
        assertArrayEquals(new float[] {0, 1, 1, 1}, decoded);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void checkpointAndFileTypesOfTheSameNameAreTheSame(DType type) {
        float[] weights = new float[77];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) Math.exp(i - 40);
        }
        byte[] ours = new byte[weights.length * type.blockBytes()];
        byte[] theirs = ours.clone();
        BlockFormats.of(type).encode(weights, 0, 7, 11, null, 0, ours, 0);
        BlockFormats.of(BlockType.valueOf(type.name())).encode(weights, 0, 1, 77, null, 0, theirs, 0);
        assertArrayEquals(theirs, ours);
        float[] decoded = new float[weights.length];
        BlockFormats.of(type).decode(ours, 0, 77, decoded, 0);
        byte[] again = new byte[ours.length];
        BlockFormats.of(type).encode(decoded, 0, 1, 77, null, 0, again, 0);
        assertArrayEquals(ours, again);
        if (type == DType.F32) {
            assertEquals(Arrays.toString(weights), Arrays.toString(decoded));
        }
    }
}
