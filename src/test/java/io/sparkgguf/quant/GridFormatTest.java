package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.GridRounding;
import io.sparkgguf.tensor.BlockType;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A grid says of encoded blocks what decoding them says, and what was read can be written back. */
class GridFormatTest {
    private static final int COLUMNS = 768;

    static Stream<GridFormat> grids() {
        return Stream.of(BlockType.values()).flatMap(type -> GridFormats.of(type).stream());
    }

    /** Rows as the real encoder encodes them, at an odd place of a larger array. */
    private record Encoded(GridFormat grid, int seed, int rows, byte[] blocks, int at, float[] decoded) {
        static final int[] ROWS = {1, 7, 8, 24, 67, 130};

        static Stream<Encoded> of(GridFormat grid) {
            return Stream.of(1, 2, 3, 4, 5, 6).map(seed -> {
                Random random = new Random(seed);
                BlockFormat format = BlockFormats.of(grid.type());
                int rows = ROWS[seed - 1];
                float[] weights = new float[rows * COLUMNS];
                for (int i = 0; i < weights.length; i += 16) {
                    // as weights are, but here and there zero, tiny or large
                    int kind = random.nextInt(20);
                    float size = kind == 0 ? 0f : kind == 1 ? 1e-7f : kind == 2 ? 30f : 0.05f;
                    for (int j = i; j < i + 16; j++) {
                        weights[j] = size * (float) random.nextGaussian();
                    }
                }
                float[] importance = null;
                if (seed % 2 == 0) {
                    importance = new float[COLUMNS];
                    for (int i = 0; i < COLUMNS; i++) {
                        importance[i] = random.nextInt(8) == 0 ? 0f : random.nextFloat();
                    }
                }
                int at = seed;
                byte[] blocks = new byte[at + Math.toIntExact(rows * grid.type().bytes(COLUMNS)) + 3];
                random.nextBytes(blocks);
                format.encode(weights, 0, rows, COLUMNS, importance, 0, blocks, at);
                float[] decoded = new float[weights.length];
                format.decode(blocks, at, weights.length, decoded, 0);
                return new Encoded(grid, seed, rows, blocks, at, decoded);
            });
        }

        int groups() {
            return COLUMNS / grid.groupElements() * rows;
        }

        String what(int weight) {
            return grid.type() + ", seed " + seed + ", row " + weight / COLUMNS + ", column " + weight % COLUMNS;
        }
    }

    @Test
    void allTypesThatSolversMayChooseHaveAGrid() {
        assertEquals(
                "[Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, Q1_0, Q2_0]",
                grids().map(GridFormat::type).toList().toString());
    }

    @ParameterizedTest
    @MethodSource("grids")
    void valuesAreTheDecodedWeightsBitForBit(GridFormat grid) {
        byte[] points = grid.points();
        Encoded.of(grid).forEach(e -> {
            float[] scales = new float[e.groups()];
            float[] offsets = new float[e.groups()];
            byte[] levels = new byte[e.rows * COLUMNS];
            grid.readGrid(e.blocks, e.at, e.rows, COLUMNS, scales, offsets);
            grid.readLevels(e.blocks, e.at, e.rows, COLUMNS, levels);
            boolean anyOffset = false;
            for (int column = 0; column < COLUMNS; column++) {
                for (int row = 0; row < e.rows; row++) {
                    int at = row * COLUMNS + column;
                    int group = column / grid.groupElements() * e.rows + row;
                    float value = scales[group] * points[levels[column * e.rows + row] & 0xff] - offsets[group];
                    assertEquals(
                            Float.floatToRawIntBits(e.decoded[at]), Float.floatToRawIntBits(value), () -> e.what(at));
                    anyOffset |= offsets[group] != 0;
                }
            }
            assertEquals(grid.affine(), anyOffset, () -> grid.type() + " has offsets");
        });
    }

    @ParameterizedTest
    @MethodSource("grids")
    void levelsAndScalesAreWrittenAsTheyWereRead(GridFormat grid) {
        Encoded.of(grid).forEach(e -> {
            byte[] levels = new byte[e.rows * COLUMNS];
            ScaleParts parts = ScaleParts.of(grid, e.rows, COLUMNS);
            grid.readLevels(e.blocks, e.at, e.rows, COLUMNS, levels);
            grid.readScales(e.blocks, e.at, e.rows, COLUMNS, parts);

            byte[] same = e.blocks.clone();
            grid.writeLevels(levels, e.rows, COLUMNS, same, e.at);
            assertArrayEquals(e.blocks, same, () -> "levels, seed " + e.seed);
            grid.writeScales(parts, e.rows, COLUMNS, same, e.at);
            assertArrayEquals(e.blocks, same, () -> "scales, seed " + e.seed);

            // Levels and scales together are all there is, and each writes nothing of the other's.
            byte[] other = e.blocks.clone();
            new Random(e.seed).nextBytes(other);
            System.arraycopy(e.blocks, 0, other, 0, e.at);
            System.arraycopy(e.blocks, e.blocks.length - 3, other, e.blocks.length - 3, 3);
            grid.writeLevels(levels, e.rows, COLUMNS, other, e.at);
            grid.writeScales(parts, e.rows, COLUMNS, other, e.at);
            assertArrayEquals(e.blocks, other, () -> "onto other bytes, seed " + e.seed);
        });
    }

    @ParameterizedTest
    @MethodSource("grids")
    void scalesAndOffsetsAreTheProductsOfTheirParts(GridFormat grid) {
        int groupsOfBlock = grid.type().blockElements() / grid.groupElements();
        Encoded.of(grid).forEach(e -> {
            float[] scales = new float[e.groups()];
            float[] offsets = new float[e.groups()];
            ScaleParts parts = ScaleParts.of(grid, e.rows, COLUMNS);
            grid.readGrid(e.blocks, e.at, e.rows, COLUMNS, scales, offsets);
            grid.readScales(e.blocks, e.at, e.rows, COLUMNS, parts);
            for (int i = 0; i < e.groups(); i++) {
                int block = i / e.rows / groupsOfBlock * e.rows + i % e.rows;
                assertEquals(parts.d()[block] * parts.scaleCode()[i], scales[i], "seed " + e.seed);
                assertEquals(parts.dmin()[block] * parts.minimumCode()[i], offsets[i], "seed " + e.seed);
                assertTrue(
                        parts.scaleCode()[i] >= grid.minScaleCode() && parts.scaleCode()[i] <= grid.maxScaleCode(),
                        "seed " + e.seed);
                assertTrue(
                        parts.minimumCode()[i] >= 0 && parts.minimumCode()[i] <= grid.maxMinimumCode(),
                        "seed " + e.seed);
            }
        });
    }

    /** All levels and all codes find their way into the bytes and back, also where the encoder seldom goes. */
    @ParameterizedTest
    @MethodSource("grids")
    void anyLevelsAndAnyCodesSurvive(GridFormat grid) {
        for (int seed = 1; seed <= 4; seed++) {
            Random random = new Random(seed);
            int rows = 1 + random.nextInt(90);
            byte[] blocks = new byte[Math.toIntExact(rows * grid.type().bytes(COLUMNS))];
            byte[] levels = new byte[rows * COLUMNS];
            for (int i = 0; i < levels.length; i++) {
                levels[i] = (byte) random.nextInt(grid.points().length);
            }
            ScaleParts parts = ScaleParts.of(grid, rows, COLUMNS);
            for (int i = 0; i < parts.d().length; i++) {
                parts.d()[i] = (random.nextInt(4001) - 2000) * 0x1p-14f;
                parts.dmin()[i] = grid.affine() ? (random.nextInt(4001) - 2000) * 0x1p-14f : 0f;
            }
            for (int i = 0; i < parts.scaleCode().length; i++) {
                parts.scaleCode()[i] =
                        (byte) (grid.minScaleCode() + random.nextInt(grid.maxScaleCode() - grid.minScaleCode() + 1));
                parts.minimumCode()[i] =
                        (byte) (grid.maxMinimumCode() > 1 ? random.nextInt(grid.maxMinimumCode() + 1) : 1);
            }
            grid.writeScales(parts, rows, COLUMNS, blocks, 0);
            grid.writeLevels(levels, rows, COLUMNS, blocks, 0);

            byte[] levelsAgain = new byte[levels.length];
            ScaleParts partsAgain = ScaleParts.of(grid, rows, COLUMNS);
            grid.readLevels(blocks, 0, rows, COLUMNS, levelsAgain);
            grid.readScales(blocks, 0, rows, COLUMNS, partsAgain);
            assertArrayEquals(levels, levelsAgain, "seed " + seed);
            assertArrayEquals(parts.d(), partsAgain.d(), "seed " + seed);
            assertArrayEquals(parts.dmin(), partsAgain.dmin(), "seed " + seed);
            assertArrayEquals(parts.scaleCode(), partsAgain.scaleCode(), "seed " + seed);
            assertArrayEquals(parts.minimumCode(), partsAgain.minimumCode(), "seed " + seed);

            // And the decoder sees the same.
            float[] decoded = new float[rows * COLUMNS];
            BlockFormats.of(grid.type()).decode(blocks, 0, decoded.length, decoded, 0);
            float[] scales = new float[parts.scaleCode().length];
            float[] offsets = new float[scales.length];
            grid.readGrid(blocks, 0, rows, COLUMNS, scales, offsets);
            String what = grid.type() + ", seed " + seed;
            for (int i = 0; i < levels.length; i++) {
                int group = i / rows / grid.groupElements() * rows + i % rows;
                assertEquals(
                        decoded[i % rows * COLUMNS + i / rows],
                        scales[group] * grid.points()[levels[i] & 0xff] - offsets[group],
                        what);
            }
        }
    }

    /** The whole way of a solver that changes nothing: rounding decoded weights gives the blocks they came from. */
    @ParameterizedTest
    @MethodSource("grids")
    void roundingWhatWasDecodedGivesTheSameWeights(GridFormat grid) {
        Encoded.of(grid).forEach(e -> {
            float[] scales = new float[e.groups()];
            float[] offsets = new float[e.groups()];
            grid.readGrid(e.blocks, e.at, e.rows, COLUMNS, scales, offsets);
            byte[] levels = new byte[e.rows * COLUMNS];
            float[] column = new float[e.rows];
            for (int c = 0; c < COLUMNS; c++) {
                for (int row = 0; row < e.rows; row++) {
                    column[row] = e.decoded[row * COLUMNS + c];
                }
                int group = c / grid.groupElements() * e.rows;
                GridRounding.round(
                        grid.points(),
                        grid.uniform(),
                        column,
                        0,
                        e.rows,
                        scales,
                        group,
                        offsets,
                        group,
                        levels,
                        c * e.rows,
                        column,
                        0);
            }
            byte[] blocks = e.blocks.clone();
            grid.writeLevels(levels, e.rows, COLUMNS, blocks, e.at);
            float[] decoded = new float[e.decoded.length];
            BlockFormats.of(grid.type()).decode(blocks, e.at, decoded.length, decoded, 0);
            for (int i = 0; i < decoded.length; i++) {
                // zeros may change their sign: a scale of zero takes the level of zero
                int at = i;
                assertTrue(
                        e.decoded[i] == decoded[i], () -> e.what(at) + ": " + e.decoded[at] + " became " + decoded[at]);
            }
        });
    }

    @ParameterizedTest
    @MethodSource("grids")
    void whatDoesNotFitIsRefused(GridFormat grid) {
        String type = grid.type().label();
        int elements = grid.type().blockElements();
        byte[] blocks = new byte[2 * grid.type().blockBytes()];
        byte[] levels = new byte[2 * elements];
        assertEquals(
                "Cannot use 2 rows of " + (elements + 8) + " weights as a grid of " + type + ": a block holds "
                        + elements + " weights",
                assertThrows(IllegalArgumentException.class, () -> grid.readLevels(blocks, 0, 2, elements + 8, levels))
                        .getMessage());
        assertThrows(IndexOutOfBoundsException.class, () -> grid.readLevels(blocks, 1, 2, elements, levels));
        assertThrows(IndexOutOfBoundsException.class, () -> grid.writeLevels(levels, 3, elements, blocks, 0));
        assertThrows(
                IndexOutOfBoundsException.class, () -> grid.readLevels(blocks, 0, 2, elements, new byte[elements]));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> grid.readGrid(blocks, 0, 2, elements, new float[1], new float[99]));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> grid.readScales(blocks, 0, 2, elements, ScaleParts.of(grid, 1, elements)));
        ScaleParts parts = ScaleParts.of(grid, 2, elements);
        grid.readScales(blocks, 0, 2, elements, parts);
        if (grid.maxScaleCode() < 127) {
            parts.scaleCode()[1] = (byte) (grid.maxScaleCode() + 1);
            assertEquals(
                    "Cannot write scale code " + (grid.maxScaleCode() + 1) + " of " + type + ": its codes are from "
                            + grid.minScaleCode() + " to " + grid.maxScaleCode(),
                    assertThrows(IllegalArgumentException.class, () -> grid.writeScales(parts, 2, elements, blocks, 0))
                            .getMessage());
        }
        parts.scaleCode()[1] = 1;
        Arrays.fill(parts.minimumCode(), (byte) -1);
        assertThrows(IllegalArgumentException.class, () -> grid.writeScales(parts, 2, elements, blocks, 0));
    }
}
