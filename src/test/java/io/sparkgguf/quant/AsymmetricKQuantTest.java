package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.Binary16;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Vectors and the scalar definition agree on anything; what was encoded decodes to what the layout says. */
class AsymmetricKQuantTest {

    /** Values that weights may take, from the ordinary to those that break arithmetic. */
    enum Values {
        NORMAL,
        POSITIVE,
        NEGATIVE,
        CONSTANT,
        ZEROS,
        SUBNORMAL,
        HUGE,
        OVERFLOWING,
        TIED,
        MIXED_MAGNITUDES,
        CONSTANT_AND_NORMAL;

        float draw(Random random, int i) {
            float normal = (float) random.nextGaussian();
            return switch (this) {
                case NORMAL -> normal * 0.02f;
                case POSITIVE -> Math.abs(normal) + 3f;
                case NEGATIVE -> -Math.abs(normal) - 1e-3f;
                case CONSTANT -> i / 512 % 2 == 0 ? -0.75f : 0.75f;
                case ZEROS -> random.nextInt(700) == 0 ? normal : random.nextBoolean() ? 0f : -0f;
                case SUBNORMAL -> normal * 1e-41f;
                case HUGE -> normal * 1e17f;
                case OVERFLOWING -> normal * 1.2e38f;
                case TIED -> random.nextInt(7) - 3;
                case MIXED_MAGNITUDES -> normal * (float) Math.pow(10, random.nextInt(30) - 20);
                case CONSTANT_AND_NORMAL -> i / 16 % 3 == 0 ? -1000f : normal * 1e-5f - 7f;
            };
        }
    }

    /** Importance as calibrations give it, or as they should not. */
    enum Importance {
        NONE,
        ORDINARY,
        WITH_ZEROS,
        MOSTLY_ZEROS,
        ALL_ZERO,
        WIDE;

        float[] draw(Random random, int offset, int columns) {
            if (this == NONE) {
                return null;
            }
            float[] q = new float[offset + columns];
            for (int i = offset; i < q.length; i++) {
                float square = (float) Math.pow(random.nextGaussian(), 2);
                q[i] = switch (this) {
                    case NONE, ALL_ZERO -> 0f;
                    case ORDINARY -> square;
                    case WITH_ZEROS -> random.nextInt(4) == 0 ? 0f : square;
                    case MOSTLY_ZEROS -> random.nextInt(20) == 0 ? square : 0f;
                    case WIDE -> square * (float) Math.pow(10, random.nextInt(60) - 30);
                };
            }
            return q;
        }
    }

    static Stream<Arguments> anything() {
        return Stream.of(Values.values())
                .flatMap(values -> Stream.of(Importance.values()).map(q -> Arguments.of(values, q)));
    }

    @ParameterizedTest(name = "{0}, importance {1}")
    @MethodSource("anything")
    void vectorsEqualTheScalarDefinition(Values values, Importance kind) {
        for (int seed = 1; seed <= 3; seed++) {
            Random random = new Random(seed);
            int rows = 1 + random.nextInt(6);
            int columns = 256 * (1 + random.nextInt(7));
            int weightsAt = random.nextInt(5);
            int importanceAt = random.nextInt(5);
            int blocksAt = random.nextInt(5);
            float[] weights = new float[weightsAt + rows * columns];
            for (int i = weightsAt; i < weights.length; i++) {
                weights[i] = values.draw(random, i - weightsAt);
            }
            float[] q = kind.draw(random, importanceAt, columns);
            BlockFormat[][] pairs = {
                {new Q2K(true), new Q2K(false)}, {new Q4K(true), new Q4K(false)}, {new Q5K(true), new Q5K(false)}
            };
            for (BlockFormat[] pair : pairs) {
                byte[] vector = encode(pair[0], weights, weightsAt, rows, columns, q, importanceAt, blocksAt);
                byte[] scalar = encode(pair[1], weights, weightsAt, rows, columns, q, importanceAt, blocksAt);
                assertEquals(
                        -1,
                        Arrays.mismatch(scalar, vector),
                        pair[0].encoding() + " of " + rows + " x " + columns + ", seed " + seed);
            }
        }
    }

    private static byte[] encode(
            BlockFormat format,
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] q,
            int importanceAt,
            int blocksAt) {
        byte[] blocks = new byte[blocksAt + (int) format.encoding().bytes((long) rows * columns)];
        format.encode(weights, weightsAt, rows, columns, q, importanceAt, blocks, blocksAt);
        return blocks;
    }

    static Stream<BlockFormat> formats() {
        return Stream.of(new Q2K(), new Q4K(), new Q5K());
    }

    @ParameterizedTest
    @MethodSource("formats")
    void rowsEncodeAloneAsTogether(BlockFormat format) {
        Random random = new Random(11);
        int rows = 5;
        int columns = 768;
        float[] weights = normal(random, rows * columns);
        float[] q = Importance.WITH_ZEROS.draw(random, 0, columns);
        byte[] together = encode(format, weights, 0, rows, columns, q, 0, 0);
        byte[] alone = new byte[together.length];
        int rowBytes = (int) format.encoding().bytes(columns);
        for (int row = 0; row < rows; row++) {
            format.encode(weights, row * columns, 1, columns, q, 0, alone, row * rowBytes);
        }
        assertArrayEquals(together, alone);
    }

    @ParameterizedTest
    @MethodSource("formats")
    void anyBytesDecodeAsTheLayoutSays(BlockFormat format) {
        Random random = new Random(5);
        int count = 19;
        int blockBytes = format.encoding().blockBytes();
        byte[] blocks = new byte[3 + count * blockBytes];
        random.nextBytes(blocks);
        float[] decoded = new float[2 + count * 256];
        format.decode(blocks, 3, count * 256, decoded, 2);
        for (int i = 0; i < count * 256; i++) {
            byte[] block = Arrays.copyOfRange(blocks, 3 + i / 256 * blockBytes, 3 + (i / 256 + 1) * blockBytes);
            assertEquals(expected(format, block, i % 256), decoded[2 + i], "weight " + i);
        }
    }

    /** One weight, bit by bit from the description of the block. */
    private static float expected(BlockFormat format, byte[] block, int i) {
        int[] b = IntStream.range(0, block.length).map(k -> block[k] & 255).toArray();
        if (format instanceof Q2K) {
            int level = b[16 + i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3;
            int code = b[i / 16];
            return half(b, 80) * (code & 15) * level - half(b, 82) * (code >> 4);
        }
        int j = i / 32;
        int scale = j < 4 ? b[4 + j] & 63 : b[8 + j] & 15 | b[j] >> 6 << 4;
        int minimum = j < 4 ? b[8 + j] & 63 : b[8 + j] >> 4 | b[4 + j] >> 6 << 4;
        int nibblesAt = format instanceof Q5K ? 48 : 16;
        int level = b[nibblesAt + i / 64 * 32 + i % 32] >> 4 * (j % 2) & 15;
        if (format instanceof Q5K) {
            level |= (b[16 + i % 32] >> j & 1) << 4;
        }
        return half(b, 0) * scale * level - half(b, 2) * minimum;
    }

    private static float half(int[] b, int at) {
        return Binary16.toFloat((short) (b[at] | b[at + 1] << 8));
    }

    @ParameterizedTest
    @MethodSource("formats")
    void decodedWeightsAreClose(BlockFormat format) {
        Random random = new Random(3);
        float[] weights = normal(random, 8 * 1024);
        byte[] blocks = encode(format, weights, 0, 8, 1024, null, 0, 0);
        float[] decoded = new float[weights.length];
        format.decode(blocks, 0, decoded.length, decoded, 0);
        double error = 0;
        double energy = 0;
        for (int i = 0; i < weights.length; i++) {
            error += Math.pow(weights[i] - decoded[i], 2);
            energy += Math.pow(weights[i], 2);
        }
        // A uniform grid of 2^bits levels over about four standard deviations of normal weights.
        int bits = format instanceof Q2K ? 2 : format instanceof Q4K ? 4 : 5;
        double step = 4.2 / ((1 << bits) - 1);
        assertTrue(Math.sqrt(error / energy) < step / Math.sqrt(12), "relative error " + Math.sqrt(error / energy));
    }

    @ParameterizedTest
    @EnumSource(NonFinite.class)
    void theFirstBlockWithoutFiniteScalesIsFound(NonFinite value) {
        int[][] scaleAt = {{80, 82}, {0, 2}, {0, 2}};
        BlockFormat[] formats = formats().toArray(BlockFormat[]::new);
        for (int f = 0; f < formats.length; f++) {
            int blockBytes = formats[f].encoding().blockBytes();
            for (int at : scaleAt[f]) {
                byte[] blocks = new byte[1 + 5 * blockBytes];
                for (int block = 4; block >= 3; block--) {
                    blocks[1 + block * blockBytes + at] = (byte) value.bits;
                    blocks[1 + block * blockBytes + at + 1] = (byte) (value.bits >> 8);
                }
                assertEquals(3, formats[f].firstNonFinite(blocks, 1, 5));
                assertEquals(-1, formats[f].firstNonFinite(blocks, 1, 3));
            }
        }
    }

    enum NonFinite {
        INFINITY(0x7c00),
        NEGATIVE_INFINITY(0xfc00),
        NAN(0x7e00),
        ODD_NAN(0xfc01);

        final int bits;

        NonFinite(int bits) {
            this.bits = bits;
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void impossibleCallsAreRefused(BlockFormat format) {
        String type = format.encoding().label();
        byte[] blocks = new byte[2 * format.encoding().blockBytes()];
        assertEquals(
                "Cannot encode rows of 255 weights as " + type + ": a block holds 256 weights",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> format.encode(new float[512], 0, 1, 255, null, 0, blocks, 0))
                        .getMessage());
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> format.encode(new float[512], 0, 3, 256, null, 0, new byte[9999], 0));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> format.encode(new float[512], 0, 2, 256, new float[255], 0, blocks, 0));
        assertThrows(
                IndexOutOfBoundsException.class, () -> format.encode(new float[512], 0, 2, 256, null, 0, blocks, 1));
        assertThrows(IllegalArgumentException.class, () -> format.decode(blocks, 0, 100, new float[512], 0));
        assertThrows(IndexOutOfBoundsException.class, () -> format.decode(blocks, 0, 512, new float[511], 0));
    }

    private static float[] normal(Random random, int n) {
        float[] weights = new float[n];
        for (int i = 0; i < n; i++) {
            weights[i] = (float) random.nextGaussian() * 0.02f;
        }
        return weights;
    }
}
