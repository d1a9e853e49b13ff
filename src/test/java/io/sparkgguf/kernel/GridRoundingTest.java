package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The nearest of all levels is found, whatever the grid; vectors and the scalar definition agree on every bit. */
class GridRoundingTest {

    /** The points of the types, and some that no type has. */
    enum Points {
        TWO_BITS(range(0, 3)),
        FOUR_BITS(range(0, 15)),
        SIGNED_THREE_BITS(range(-4, 3)),
        SIGNED_SIX_BITS(range(-32, 31)),
        TERNARY(range(-1, 1)),
        BYTES(range(-128, 127)),
        SIGNS(new byte[] {-1, 1}),
        IQ4(IQ4Encoder.levels()),
        ODD_STEPS(new byte[] {-128, -127, -5, -4, 0, 1, 3, 126, 127});

        final byte[] points;
        final boolean uniform;

        Points(byte[] points) {
            this.points = points;
            this.uniform = points[points.length - 1] - points[0] == points.length - 1;
        }

        private static byte[] range(int first, int last) {
            byte[] points = new byte[last - first + 1];
            for (int i = 0; i < points.length; i++) {
                points[i] = (byte) (first + i);
            }
            return points;
        }
    }

    /** What a row may be: its weight, scale and offset. */
    enum Rows {
        ORDINARY,
        NEGATIVE_SCALES,
        CLOSE_TO_BOUNDARIES,
        ON_VALUES,
        TINY_SCALES,
        SMALLEST_SCALES,
        HUGE_WEIGHTS,
        OFFSETS_BEYOND_SCALES,
        ZERO_SCALES,
        ANY_BITS;

        /** Weight, scale, offset. */
        float[] draw(Random random, byte[] points) {
            float normal = (float) random.nextGaussian();
            float scale = Binary16.toFloat(Binary16.fromFloat(0.003f * (0.1f + random.nextFloat())))
                    * (1 + random.nextInt(63));
            float offset = random.nextInt(4) == 0 ? 0f : scale * 12 * random.nextFloat();
            float range = scale * points.length;
            float point = points[random.nextInt(points.length)];
            return switch (this) {
                case ORDINARY -> new float[] {range * normal / 2, scale, offset};
                case NEGATIVE_SCALES ->
                    new float[] {range * normal / 2, -scale, random.nextBoolean() ? offset : -offset};
                case CLOSE_TO_BOUNDARIES -> {
                    float between = scale * (point + 0.5f * random.nextInt(20)) - offset;
                    for (int i = random.nextInt(4); i > 0; i--) {
                        between = random.nextBoolean() ? Math.nextUp(between) : Math.nextDown(between);
                    }
                    yield new float[] {between, scale, offset};
                }
                case ON_VALUES -> new float[] {scale * point - offset, scale, offset};
                case TINY_SCALES -> new float[] {normal * 1e-6f, 0x1p-24f * random.nextInt(5), normal * 1e-7f};
                case SMALLEST_SCALES -> {
                    float smallest = Float.MIN_VALUE * (random.nextInt(9) - 4);
                    yield new float[] {normal * Float.MIN_VALUE * 40, smallest, Float.MIN_VALUE * random.nextInt(3)};
                }
                case HUGE_WEIGHTS -> {
                    float huge = (float) Math.pow(10, 3 + random.nextInt(36)) * (random.nextBoolean() ? 1 : -1);
                    yield new float[] {huge, random.nextBoolean() ? scale : -scale, offset};
                }
                case OFFSETS_BEYOND_SCALES -> {
                    float far = scale * (float) Math.pow(2, random.nextInt(30));
                    yield new float[] {scale * (point + normal) - far, scale, far};
                }
                case ZERO_SCALES -> new float[] {normal, random.nextBoolean() ? 0f : -0f, random.nextInt(3) * normal};
                case ANY_BITS -> new float[] {any(random), any(random) * 0x1p-8f, random.nextInt(2) * any(random)};
            };
        }

        private static float any(Random random) {
            float v = Float.intBitsToFloat(random.nextInt());
            return Float.isFinite(v) ? v : 1f;
        }
    }

    /** Some rows at odd places of their arrays. */
    private static final class Call {
        final Points grid;
        final int count;
        final float[] weights;
        final float[] scales;
        final float[] offsets;
        final byte[] levels;
        final float[] values;

        Call(Points grid, Rows rows, int count, Random random) {
            this.grid = grid;
            this.count = count;
            weights = new float[1 + count];
            scales = new float[2 + count];
            offsets = new float[3 + count];
            levels = new byte[4 + count + 5];
            values = new float[5 + count + 6];
            Arrays.fill(levels, (byte) 99);
            Arrays.fill(values, 1234f);
            for (int i = 0; i < count; i++) {
                float[] row = rows.draw(random, grid.points);
                weights[1 + i] = row[0];
                scales[2 + i] = row[1];
                offsets[3 + i] = row[2];
            }
        }

        void round(boolean vector, byte[] levels, float[] values) {
            if (vector) {
                GridRounding.round(
                        grid.points, grid.uniform, weights, 1, count, scales, 2, offsets, 3, levels, 4, values, 5);
            } else {
                GridRounding.scalar(
                        grid.points, grid.uniform, weights, 1, count, scales, 2, offsets, 3, levels, 4, values, 5);
            }
        }

        float value(int row, int level) {
            return scales[2 + row] * grid.points[level] - offsets[3 + row];
        }
    }

    static Stream<Arguments> anything() {
        return Stream.of(Points.values())
                .flatMap(points -> Stream.of(Rows.values()).map(r -> Arguments.of(points, r)));
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("anything")
    void vectorsEqualTheScalarDefinition(Points grid, Rows rows) {
        for (int seed = 1; seed <= 40; seed++) {
            Random random = new Random(seed);
            Call call = new Call(grid, rows, seed % 4 == 0 ? 256 : random.nextInt(200), random);
            byte[] levels = call.levels.clone();
            float[] values = call.values.clone();
            call.round(false, levels, values);
            call.round(true, call.levels, call.values);
            assertArrayEquals(levels, call.levels, "seed " + seed);
            assertArrayEquals(bits(values), bits(call.values), "seed " + seed);
        }
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("anything")
    void noLevelIsNearer(Points grid, Rows rows) {
        for (int seed = 1; seed <= 10; seed++) {
            Call call = new Call(grid, rows, 101, new Random(seed));
            call.round(true, call.levels, call.values);
            for (int i = 0; i < call.count; i++) {
                int level = call.levels[4 + i] & 0xff;
                String what = "seed " + seed + ", row " + i;
                assertEquals(
                        Float.floatToRawIntBits(call.value(i, level)),
                        Float.floatToRawIntBits(call.values[5 + i]),
                        what);
                float distance = Math.abs(call.weights[1 + i] - call.values[5 + i]);
                for (int other = 0; other < grid.points.length; other++) {
                    float otherDistance = Math.abs(call.weights[1 + i] - call.value(i, other));
                    if (otherDistance < distance) {
                        fail(what + ": level " + other + " is nearer than " + level + " for weight "
                                + call.weights[1 + i] + ", scale " + call.scales[2 + i] + ", offset "
                                + call.offsets[3 + i]);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void weightsBeyondTheGridTakeItsEnd(Points grid) {
        int last = grid.points.length - 1;
        float[] sizes = {0.01f, -0.01f, 0x1p-24f, -0x1p-24f, 60f};
        for (float scale : sizes) {
            for (float weight : new float[] {1e4f, 1e9f, 1e20f, 3e38f}) {
                boolean positive = scale > 0;
                assertEquals(positive ? last : 0, level(grid, weight, scale, 0.5f), weight + " by " + scale);
                assertEquals(positive ? 0 : last, level(grid, -weight, scale, 0.5f), -weight + " by " + scale);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void scalesOfZeroTakeTheLevelOfZero(Points grid) {
        int least = IntStream.range(0, grid.points.length)
                .map(i -> Math.abs(grid.points[i]))
                .min()
                .getAsInt();
        for (float weight : new float[] {0f, -0f, 3f, -1e30f}) {
            for (float offset : new float[] {0f, 3f, -2f}) {
                int level = level(grid, weight, 0f, offset);
                assertEquals(least, Math.abs(grid.points[level]), weight + " with offset " + offset);
                assertEquals(level, level(grid, weight, -0f, offset), weight + " with offset " + offset);
            }
        }
    }

    @Test
    void tiesOfConsecutivePointsGoToTheEvenOneElseToTheLower() {
        assertEquals(0, level(Points.FOUR_BITS, 0.5f, 1f, 0f));
        assertEquals(2, level(Points.FOUR_BITS, 1.5f, 1f, 0f));
        assertEquals(2, level(Points.FOUR_BITS, 2.5f, 1f, 0f));
        assertEquals(6, level(Points.FOUR_BITS, -5.5f, -1f, 0f));
        assertEquals(4, level(Points.FOUR_BITS, 1.25f, 0.5f, 1f));
        assertEquals(32 - 2, level(Points.SIGNED_SIX_BITS, -1.5f, 1f, 0f));
        assertEquals(0, level(Points.SIGNS, 0f, 1f, 0f));
        // between -10 and 1, between 89 and 113
        assertEquals(7, level(Points.IQ4, -4.5f, 1f, 0f));
        assertEquals(14, level(Points.IQ4, 101f, 1f, 0f));
        assertEquals(14, level(Points.IQ4, -101f, -1f, 0f));
    }

    @ParameterizedTest
    @EnumSource
    void weightsMayBeReplacedByTheirValues(Points grid) {
        Random random = new Random(17);
        Call call = new Call(grid, Rows.ORDINARY, 77, random);
        call.round(false, call.levels, call.values);
        float[] column = call.weights.clone();
        GridRounding.round(
                grid.points, grid.uniform, column, 1, 77, call.scales, 2, call.offsets, 3, new byte[77], 0, column, 1);
        assertArrayEquals(Arrays.copyOfRange(call.values, 5, 5 + 77), Arrays.copyOfRange(column, 1, 78));
    }

    /** The level of one weight, in a vector and alone, which are the same. */
    private static int level(Points grid, float weight, float scale, float offset) {
        int count = Lanes.WIDTH + 1;
        float[] weights = new float[count];
        float[] scales = new float[count];
        float[] offsets = new float[count];
        Arrays.fill(weights, weight);
        Arrays.fill(scales, scale);
        Arrays.fill(offsets, offset);
        byte[] levels = new byte[count];
        GridRounding.round(
                grid.points, grid.uniform, weights, 0, count, scales, 0, offsets, 0, levels, 0, new float[count], 0);
        for (byte level : levels) {
            assertEquals(levels[0], level);
        }
        return levels[0] & 0xff;
    }

    private static int[] bits(float[] values) {
        return IntStream.range(0, values.length)
                .map(i -> Float.floatToIntBits(values[i]))
                .toArray();
    }
}
