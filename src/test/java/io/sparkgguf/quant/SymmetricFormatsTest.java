package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.LegacyImportanceEncoder;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Vectors and the scalar definition agree on anything, and the search is worth its while. */
class SymmetricFormatsTest {

    static Stream<Arguments> anything() {
        return Stream.of(AsymmetricKQuantTest.Values.values())
                .flatMap(values -> Stream.of(AsymmetricKQuantTest.Importance.values())
                        .map(importance -> Arguments.of(values, importance)));
    }

    @ParameterizedTest(name = "{0}, importance {1}")
    @MethodSource("anything")
    void vectorsEqualTheScalarDefinition(
            AsymmetricKQuantTest.Values values, AsymmetricKQuantTest.Importance importance) {
        BlockFormat[][] pairs = {
            {new Q3K(true), new Q3K(false)},
            {new Q6K(true), new Q6K(false)},
            {new IQ4NL(true), new IQ4NL(false)},
            {new IQ4XS(true), new IQ4XS(false)}
        };
        for (int seed = 1; seed <= 3; seed++) {
            for (BlockFormat[] pair : pairs) {
                Random random = new Random(seed);
                // Rows of an odd number of blocks, in all from less than a tile to several and a rest.
                int rows = 1 + random.nextInt(6);
                int columns = pair[0].encoding().blockElements() * (1 + 2 * random.nextInt(5));
                int weightsAt = random.nextInt(5);
                int importanceAt = random.nextInt(5);
                int blocksAt = random.nextInt(5);
                float[] weights = draw(values, random, weightsAt, rows * columns);
                float[] q = importance.draw(random, importanceAt, columns);
                byte[][] blocks = new byte[2][];
                for (int i = 0; i < 2; i++) {
                    blocks[i] = new byte[blocksAt + (int) pair[i].encoding().bytes((long) rows * columns) + 5];
                    Arrays.fill(blocks[i], (byte) 0x5a);
                    pair[i].encode(weights, weightsAt, rows, columns, q, importanceAt, blocks[i], blocksAt);
                }
                String what = pair[0].encoding() + " of " + rows + " x " + columns + ", seed " + seed;
                assertEquals(-1, Arrays.mismatch(blocks[1], blocks[0]), what);
                for (int i = 0; i < blocksAt; i++) {
                    assertEquals(0x5a, blocks[0][i], "byte " + i + " before the blocks, " + what);
                }
                for (int i = blocks[0].length - 5; i < blocks[0].length; i++) {
                    assertEquals(0x5a, blocks[0][i], "byte " + i + " behind the blocks, " + what);
                }
            }
        }
    }

    @ParameterizedTest(name = "{0}, importance {1}")
    @MethodSource("anythingWithImportance")
    void vectorsEqualTheScalarDefinitionWithASpreadForARow(
            AsymmetricKQuantTest.Values values, AsymmetricKQuantTest.Importance importance) {
        for (int bits = 4; bits <= 5; bits++) {
            for (int seed = 1; seed <= 3; seed++) {
                Random random = new Random(seed);
                int rows = 1 + random.nextInt(11);
                int columns = 32 * (1 + 2 * random.nextInt(5));
                float[] weights = draw(values, random, 3, rows * columns);
                float[] q = importance.draw(random, 2, columns);
                byte[] vector = new byte[1 + rows * columns / 32 * (bits == 4 ? 18 : 22)];
                byte[] scalar = new byte[vector.length];
                LegacyImportanceEncoder.vector(bits, weights, 3, rows, columns, q, 2, vector, 1);
                LegacyImportanceEncoder.scalar(bits, weights, 3, rows, columns, q, 2, scalar, 1);
                String what = bits + " bits, " + rows + " x " + columns + ", seed " + seed;
                assertEquals(-1, Arrays.mismatch(scalar, vector), what);
            }
        }
    }

    static Stream<Arguments> anythingWithImportance() {
        return anything().filter(arguments -> arguments.get()[1] != AsymmetricKQuantTest.Importance.NONE);
    }

    private static float[] draw(AsymmetricKQuantTest.Values values, Random random, int at, int count) {
        float[] weights = new float[at + count];
        for (int i = at; i < weights.length; i++) {
            weights[i] = values.draw(random, i - at);
        }
        return weights;
    }

    private enum Format {
        Q3_K(new Q3K()),
        Q6_K(new Q6K()),
        IQ4_NL(new IQ4NL()),
        IQ4_XS(new IQ4XS());

        final BlockFormat format;

        Format(BlockFormat format) {
            this.format = format;
        }
    }

    @ParameterizedTest
    @EnumSource
    void rowsEncodeAloneAsTogether(Format type) {
        Random random = new Random(11);
        int rows = 7;
        int columns = 768;
        float[] weights = draw(AsymmetricKQuantTest.Values.NORMAL, random, 0, rows * columns);
        float[] q = AsymmetricKQuantTest.Importance.WITH_ZEROS.draw(random, 0, columns);
        int rowBytes = (int) type.format.encoding().bytes(columns);
        byte[] together = new byte[rows * rowBytes];
        type.format.encode(weights, 0, rows, columns, q, 0, together, 0);
        byte[] alone = new byte[together.length];
        for (int row = 0; row < rows; row++) {
            type.format.encode(weights, row * columns, 1, columns, q, 0, alone, row * rowBytes);
        }
        assertArrayEquals(together, alone);
    }

    @ParameterizedTest
    @EnumSource
    void importanceMovesTheErrorToWhereItMattersLess(Format type) {
        Random random = new Random(5);
        int columns = 1024;
        float[] weights = draw(AsymmetricKQuantTest.Values.NORMAL, random, 0, 16 * columns);
        float[] q = new float[columns];
        for (int i = 0; i < columns; i++) {
            q[i] = i % 3 == 0 ? 1 : 0.01f;
        }
        double plain = error(type.format, weights, columns, null, q);
        double weighted = error(type.format, weights, columns, q, q);
        assertTrue(weighted < 0.99 * plain, weighted + " with importance, " + plain + " without");
    }

    @ParameterizedTest
    @EnumSource
    void decodedWeightsAreClose(Format type) {
        int columns = 1024;
        float[] weights = draw(AsymmetricKQuantTest.Values.NORMAL, new Random(3), 0, 16 * columns);
        float[] ones = new float[columns];
        Arrays.fill(ones, 1f);
        double energy = 0;
        for (float w : weights) {
            energy += (double) w * w;
        }
        double relative = Math.sqrt(error(type.format, weights, columns, null, ones) / energy);
        // A uniform grid over the four standard deviations that some hundred normal weights span.
        double step = 4.0
                / ((1
                                << Character.getNumericValue(
                                        type.name().replaceAll("\\D", "").charAt(0)))
                        - 1);
        assertTrue(relative < step / Math.sqrt(12), "relative error " + relative);
        assertTrue(relative > step / Math.sqrt(12) / 3, "relative error " + relative + ": too good to be true");
    }

    /** The sum of squared errors, each times the number of its column. */
    private static double error(BlockFormat format, float[] weights, int columns, float[] importance, float[] counts) {
        byte[] blocks = new byte[(int) format.encoding().bytes(weights.length)];
        format.encode(weights, 0, weights.length / columns, columns, importance, 0, blocks, 0);
        float[] decoded = new float[weights.length];
        format.decode(blocks, 0, weights.length, decoded, 0);
        double error = 0;
        for (int i = 0; i < weights.length; i++) {
            error += counts[i % columns] * Math.pow(weights[i] - decoded[i], 2);
        }
        return error;
    }
}
