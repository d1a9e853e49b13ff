package io.sparkgguf.quant.linear;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.Halves;
import io.sparkgguf.tensor.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Linear schemes against their closed forms, and what holds of all of them. */
class LinearSchemeTest {
    private static final int ROWS = 5;
    private static final int COLUMNS = 200; // groups of 32 and 128 leave a shorter one

    static Stream<LinearScheme> schemes() {
        return SchemeName.usual().stream()
                .filter(LinearScheme.class::isInstance)
                .map(LinearScheme.class::cast);
    }

    private static LinearScheme scheme(String name) {
        return (LinearScheme) SchemeName.parse(name);
    }

    /** Weights with heavy tails and a mean that is not zero. */
    private static float[] weights(long seed) {
        Random random = new Random(seed);
        float[] x = new float[ROWS * COLUMNS];
        for (int i = 0; i < x.length; i++) {
            double tail = random.nextInt(50) == 0 ? 6 : 1;
            x[i] = (float) (0.02 * tail * random.nextGaussian() + 0.004);
        }
        return x;
    }

    private static float[] rounded(LinearScheme scheme, float[] x, float[] importance) {
        float[] y = new float[x.length];
        new LinearRounder(scheme).round(x, 0, ROWS, COLUMNS, importance, 0, y, 0);
        return y;
    }

    private static double error(float[] x, float[] y, float[] importance) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            double weight = importance == null ? 1 : importance[i % COLUMNS];
            sum += weight * Math.pow((double) x[i] - y[i], 2);
        }
        return sum;
    }

    @Test
    void absmaxScalesAreThoseOfTheTextbook() {
        float[] x = weights(1);
        float absmax = 0;
        for (float v : x) {
            absmax = Math.max(absmax, Math.abs(v));
        }
        float scale = absmax / 127;
        float[] expected = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            expected[i] = (float) Math.rint(x[i] / scale) * scale + 0f; // no negative zero
        }
        assertArrayEquals(expected, rounded(scheme("int8"), x, null));
    }

    @Test
    void zeroPointsAreThoseOfTheTextbook() {
        float[] x = weights(2);
        float[] y = rounded(scheme("int4-asym-row"), x, null);
        for (int row = 0; row < ROWS; row++) {
            float lowest = 0;
            float highest = 0;
            for (int i = row * COLUMNS; i < (row + 1) * COLUMNS; i++) {
                lowest = Math.min(lowest, x[i]);
                highest = Math.max(highest, x[i]);
            }
            float scale = (float) (((double) highest - lowest) / 15);
            double zeroPoint = Math.rint(-lowest / (double) scale);
            for (int i = row * COLUMNS; i < (row + 1) * COLUMNS; i++) {
                double code = Math.max(0, Math.min(15, Math.rint(x[i] / scale) + zeroPoint));
                assertEquals((float) (code - zeroPoint) * scale, y[i], "element " + i);
            }
        }
    }

    @Test
    void clampAndPercentileClipAsTheySay() {
        float[] x = new float[ROWS * COLUMNS];
        for (int i = 0; i < x.length; i++) {
            x[i] = (i + 1) * (i % 2 == 0 ? 1f : -1f); // magnitudes 1 to 1000
        }
        LinearRounder clamp = new LinearRounder(scheme("int8-clamp5"));
        float[] y = new float[x.length];
        clamp.round(x, 0, ROWS, COLUMNS, null, 0, y, 0);
        assertEquals(5f, y[998]);
        assertEquals(-5f, y[999]);
        assertEquals(x.length - 5, clamp.clipped());

        LinearCodes codes = new LinearRounder(scheme("int8-p90")).encode(x, 0, ROWS, COLUMNS, null, 0);
        float ninety = Halves.fromBf16(Halves.toBf16(900));
        assertEquals(900, ninety); // a bfloat16, so not rounded outwards
        assertEquals(900 / 127f, codes.runs().get(0).grid().scale());

        LinearGrid asymmetric = new LinearRounder(scheme("int8-asym-p90"))
                .encode(x, 0, ROWS, COLUMNS, null, 0)
                .runs()
                .get(0)
                .grid();
        // 50 of each sign lie beyond: the largest within are 899 and 900, outwards to the next bfloat16
        assertEquals((float) ((900.0 + 900.0) / 255), asymmetric.scale());
    }

    @Test
    void countedPercentilesAreThoseOfSortedNumbers() {
        float[] x = weights(3);
        ValueCounts first = new ValueCounts();
        first.add(x, 0, 333);
        ValueCounts second = new ValueCounts();
        second.add(x, 333, x.length - 333);
        second.merge(first);
        for (double percent : new double[] {50, 75, 99, 99.9, 100}) {
            for (boolean symmetric : new boolean[] {true, false}) {
                assertEquals(
                        ValueCounts.range(x, 0, x.length, symmetric, percent),
                        second.range(symmetric, percent),
                        percent + " % " + symmetric);
            }
        }
        assertEquals(ValueRange.of(x, 0, x.length), second.range(false, 100));
        assertEquals(ValueRange.NONE, new ValueCounts().range(true, 99));
    }

    @ParameterizedTest
    @MethodSource("schemes")
    void insideTheRangeTheErrorIsAtMostHalfAStep(LinearScheme scheme) {
        for (long seed = 1; seed <= 3; seed++) {
            float[] x = weights(seed);
            LinearCodes codes = new LinearRounder(scheme).encode(x, 0, ROWS, COLUMNS, null, 0);
            float[] y = new float[x.length];
            codes.decode(y, 0);
            int at = 0;
            for (LinearCodes.Run run : codes.runs()) {
                LinearGrid grid = run.grid();
                assertTrue(grid.low() <= 0 && grid.high() >= 0 && grid.high() - grid.low() < 1 << scheme.bits());
                for (int i = at; i < at + run.count(); i++) {
                    float inside = Math.max(grid.low() * grid.scale(), Math.min(grid.high() * grid.scale(), x[i]));
                    assertEquals(
                            inside,
                            y[i],
                            0.5000003 * grid.scale() + 1e-6 * Math.abs(x[i]),
                            "element " + i + " seed " + seed);
                }
                at += run.count();
            }
            assertEquals(x.length, at);
            assertArrayEquals(y, rounded(scheme, x, null), "codes are what rounding gives, seed " + seed);
        }
    }

    @ParameterizedTest
    @MethodSource("schemes")
    void zeroStaysZeroAndOrderStays(LinearScheme scheme) {
        float[] x = weights(7);
        for (int i = 0; i < x.length; i += 9) {
            x[i] = i % 2 == 0 ? 0f : -0f;
        }
        float[] y = rounded(scheme, x, null);
        int run = scheme.isWholeTensor() ? x.length : scheme.granularity().run(COLUMNS);
        for (int i = 0; i < x.length; i++) {
            if (x[i] == 0) {
                assertEquals(0f, y[i] + 0f);
            }
            int row = i / COLUMNS * COLUMNS;
            int from = scheme.isWholeTensor() ? 0 : row + (i - row) / run * run;
            for (int j = from; j < i; j++) {
                assertTrue(x[j] <= x[i] ? y[j] <= y[i] : y[j] >= y[i], i + " and " + j);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("schemes")
    void noClipIsWorseThanNone(LinearScheme scheme) {
        LinearScheme searched =
                new LinearScheme(scheme.bits(), scheme.symmetric(), scheme.granularity(), RangeRule.LEAST_ERROR);
        LinearScheme plain =
                new LinearScheme(scheme.bits(), scheme.symmetric(), scheme.granularity(), RangeRule.MIN_MAX);
        for (long seed = 1; seed <= 5; seed++) {
            float[] x = weights(seed);
            Random random = new Random(seed);
            float[] importance = new float[COLUMNS];
            for (int i = 0; i < COLUMNS; i++) {
                importance[i] = (float) Math.exp(2 * random.nextGaussian());
            }
            for (float[] by : Arrays.asList(null, importance)) {
                double without = error(x, rounded(plain, x, by), by);
                double with = error(x, rounded(searched, x, by), by);
                assertTrue(with <= without, "seed " + seed + ": " + with + " > " + without);
            }
        }
    }

    /**
     * The least weighted error over all scales up to {@code largest}: between two scales at which a number changes its
     * level, the error is a parabola.
     */
    private static double optimum(float[] x, float[] weights, int high, double largest) {
        double[] edges = new double[x.length * high + 1];
        for (int i = 0; i < x.length; i++) {
            for (int level = 0; level < high; level++) {
                edges[i * high + level] = Math.abs((double) x[i]) / (level + 0.5);
            }
        }
        edges[x.length * high] = largest;
        Arrays.sort(edges);
        double best = Double.POSITIVE_INFINITY;
        for (int e = 0; e < edges.length - 1; e++) {
            double top = Math.min(largest, edges[e + 1]);
            if (edges[e] >= top) {
                continue;
            }
            double middle = (edges[e] + top) / 2;
            double product = 0;
            double square = 0;
            for (int i = 0; i < x.length; i++) {
                double level = Math.max(-high, Math.min(high, Math.rint(x[i] / middle)));
                product += weights[i] * x[i] * level;
                square += weights[i] * level * level;
            }
            double scale = square == 0 ? top : Math.max(edges[e], Math.min(top, product / square));
            double sum = 0;
            for (int i = 0; i < x.length; i++) {
                double level = Math.max(-high, Math.min(high, Math.rint(x[i] / middle)));
                sum += weights[i] * Math.pow(x[i] - scale * level, 2);
            }
            best = Math.min(best, sum);
        }
        return best;
    }

    @ParameterizedTest
    @CsvSource({"2, 1.001", "3, 1.003", "4, 1.01", "5, 1.05"})
    void theSearchComesNearTheBestClipOfAll(int bits, double within) {
        int count = 24;
        LinearScheme scheme = scheme("int" + bits + "-row-mse");
        double worst = 0;
        for (long seed = 1; seed <= 40; seed++) {
            Random random = new Random(seed);
            float[] x = new float[count];
            float[] weights = new float[count];
            float absmax = 0;
            for (int i = 0; i < count; i++) {
                x[i] = (float) random.nextGaussian();
                weights[i] = (float) Math.exp(random.nextGaussian());
                absmax = Math.max(absmax, Math.abs(x[i]));
            }
            float[] y = new float[count];
            new LinearRounder(scheme).round(x, 0, 1, count, weights, 0, y, 0);
            double found = 0;
            for (int i = 0; i < count; i++) {
                found += weights[i] * Math.pow((double) x[i] - y[i], 2);
            }
            int high = (1 << bits - 1) - 1;
            double ratio = found / optimum(x, weights, high, (double) absmax / high);
            assertTrue(ratio > 0.999999, "better than the best: the check is wrong, seed " + seed);
            worst = Math.max(worst, ratio);
        }
        assertTrue(worst <= within, "worst is " + worst);
    }

    static Stream<float[]> degenerate() {
        float[] outlier = new float[ROWS * COLUMNS];
        Arrays.fill(outlier, 0.01f);
        outlier[77] = 3e38f;
        outlier[78] = -3e38f;
        float[] constant = new float[ROWS * COLUMNS];
        Arrays.fill(constant, -0.3f);
        float[] tiny = new float[ROWS * COLUMNS];
        for (int i = 0; i < tiny.length; i++) {
            tiny[i] = Float.MIN_VALUE * (i % 301 - 150);
        }
        return Stream.of(new float[ROWS * COLUMNS], constant, outlier, tiny);
    }

    @ParameterizedTest
    @MethodSource("degenerate")
    void degenerateWeightsGiveFiniteOnes(float[] x) {
        schemes().forEach(scheme -> {
            LinearRounder rounder = new LinearRounder(scheme);
            float[] y = new float[x.length];
            rounder.round(x, 0, ROWS, COLUMNS, null, 0, y, 0);
            for (float v : y) {
                assertTrue(Float.isFinite(v), scheme + ": " + v);
            }
            if (x[0] == 0 && x[1] == 0) {
                assertArrayEquals(x, y, scheme.label());
                assertEquals(0, rounder.clipped());
            }
            if (x[0] == -0.3f && scheme.range().kind() != RangeRule.Kind.CLAMP) {
                assertEquals(-0.3f, y[0], 0.3f / 1000 + (scheme.symmetric() ? 0 : 1e-6f), scheme.label());
            }
        });
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void whatIsNoNumberIsRefused(float bad) {
        float[] x = weights(5);
        x[777] = bad;
        schemes().forEach(scheme -> {
            IllegalArgumentException refused =
                    assertThrows(IllegalArgumentException.class, () -> rounded(scheme, x, null));
            assertEquals("Cannot round by " + scheme + ": weight 777 is " + bad, refused.getMessage());
        });
    }

    @Test
    void floatsTooSmallForTheirScaleKeepTheRangeCovered() {
        float[] x = {Float.MIN_VALUE * 150, -Float.MIN_VALUE * 3};
        float[] y = new float[2];
        new LinearRounder(scheme("int8-row")).round(x, 0, 1, 2, null, 0, y, 0);
        assertArrayEquals(
                new float[] {Float.MIN_VALUE * 150, -Float.MIN_VALUE * 4}, y); // steps of 2 units, ties to even
    }

    @Test
    void rowsMayComeInAnyGroups() {
        float[] x = weights(9);
        schemes().filter(scheme -> !scheme.isWholeTensor()).forEach(scheme -> {
            LinearRounder rounder = new LinearRounder(scheme);
            float[] y = new float[x.length];
            rounder.round(x, 0, 2, COLUMNS, null, 0, y, 0);
            rounder.round(x, 2 * COLUMNS, ROWS - 2, COLUMNS, null, 0, y, 2 * COLUMNS);
            assertArrayEquals(rounded(scheme, x, null), y, scheme.label());
        });
    }

    @ParameterizedTest
    @CsvSource({
        "int8, 4096x4096, 16777220", // a float32 for all
        "int8-row, 4096x4096, 16793600", // and for each row
        "int4-g128, 4096x4096, 8650752", // 4.125 bits
        "int4-asym-g128, 4096x4096, 8716288", // 4.15625
        "int2-asym-g32, 4096x4096, 5373952", // 2.5625
        "int3-g32, 3x40, 57", // 15 bytes of codes and 2 scales a row
        "int3-asym-g32, 3x40, 60", // and a byte of two zero points
        "int5-asym, 3x40, 80", // 75 and a scale and a zero point
        "Q4_K, 4096x4096, 9437184", // 4.5
        "fp16, 3x40, 240",
    })
    void scalesAndZeroPointsCount(String name, String dimensions, long bytes) {
        Shape shape = Shape.of(
                Stream.of(dimensions.split("x")).mapToLong(Long::parseLong).toArray());
        Scheme scheme = SchemeName.parse(name);
        assertEquals(bytes, scheme.bytes(shape));
        assertEquals(8.0 * bytes / shape.elements(), scheme.bitsPerWeight(shape));
    }

    @Test
    void moreBitsAndSmallerGroupsAreBetter() {
        float[] x = weights(4);
        for (List<String> better : List.of(
                List.of("int8", "int6", "int5", "int4", "int3", "int2"),
                List.of("int4-g32", "int4-g128", "int4-row", "int4"),
                List.of("int4-asym-g32-mse", "int4-asym-g32", "int4-g32"))) {
            double least = 0;
            for (String name : better) {
                double error = error(x, rounded(scheme(name), x, null), null);
                assertTrue(error > least, name + " of " + better);
                least = error;
            }
        }
    }
}
