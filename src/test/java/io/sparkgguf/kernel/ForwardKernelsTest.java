package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The pointwise kernels of a forward pass against float64, and bit by bit against their scalar twins. */
class ForwardKernelsTest {
    private static final long SEED = 20261124;

    private static float[] normals(Random random, int count, double scale) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (scale * random.nextGaussian());
        }
        return x;
    }

    @Test
    void exponentialIsWithinTwoUnitsInTheLastPlace() {
        double worst = 0;
        for (float x = -87; x <= 88; x += 0.00073f) {
            double exact = StrictMath.exp(x);
            worst = Math.max(worst, Math.abs(Exponential.of(x) - exact) / Math.ulp((float) exact));
        }
        assertTrue(worst < 2, "units in the last place: " + worst);
        assertTrue(worst > 0.4, "a float32 result cannot be that exact: " + worst);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1",
        "-0.0, 1",
        "-87.00001, 0",
        "-1e30, 0",
        "-Infinity, 0",
        "NaN, NaN",
    })
    void exponentialOfSpecialValues(float x, float expected) {
        float[] many = new float[37];
        Arrays.fill(many, x);
        Exponential.ofDifference(many, 0, new float[many.length], 0, many.length, many, 0);
        for (float value : many) {
            assertEquals(expected, value);
        }
        assertEquals(expected, Exponential.of(x));
    }

    @Test
    void exponentialStaysFiniteAboveItsRange() {
        assertEquals(Exponential.of(88f), Exponential.of(Float.POSITIVE_INFINITY));
        assertTrue(Exponential.of(88f) < Float.MAX_VALUE);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 15, 16, 17, 64, 83, 1024})
    void twinsGiveTheSameBits(int count) {
        Random random = new Random(SEED + count);
        float[] x = normals(random, count + 3, 20);
        float[] y = normals(random, count + 3, 2);
        twins(
                x,
                a -> Exponential.ofDifference(a, 1, y, 2, count, a, 1),
                a -> Exponential.ofDifferenceScalar(a, 1, y, 2, count, a, 1));
        twins(x, a -> Pointwise.add(a, 1, y, 2, count), a -> Pointwise.addScalar(a, 1, y, 2, count));
        twins(x, a -> Pointwise.multiply(a, 1, y, 2, count), a -> Pointwise.multiplyScalar(a, 1, y, 2, count));
        twins(x, a -> Pointwise.divide(a, 1, y, 2, count), a -> Pointwise.divideScalar(a, 1, y, 2, count));
        twins(x, a -> Pointwise.gate(a, 1, y, 2, count), a -> Pointwise.gateScalar(a, 1, y, 2, count));
        twins(
                x,
                a -> Pointwise.gateSquaredRelu(a, 1, y, 2, count),
                a -> Pointwise.gateSquaredReluScalar(a, 1, y, 2, count));
        float[] rows = normals(random, 1 + 3 * count, 1);
        twins(rows, a -> Int8Rounding.rows(a, 1, 1, 3 * count), a -> Int8Rounding.rowsScalar(a, 1, 1, 3 * count));
        twins(
                rows,
                a -> RmsNorm.of(a, 1, 3, count, y, 1e-5f, a, 1),
                a -> RmsNorm.ofScalar(a, 1, 3, count, y, 1e-5f, a, 1));
        float[] heads = normals(random, 1 + 3 * 2 * count, 1);
        twins(
                heads,
                a -> Rotation.halves(a, 1, 3, 2 * count, x, y, 2),
                a -> Rotation.halvesScalar(a, 1, 3, 2 * count, x, y, 2));
        float[] angles = normals(random, 2 * count + 1, 1);
        twins(
                heads,
                a -> Rotation.neighbours(a, 1, 3, 2 * count, angles, angles, 1),
                a -> Rotation.neighboursScalar(a, 1, 3, 2 * count, angles, angles, 1));
        float[] scores = normals(random, 7 * count, 3);
        float[] largest = normals(random, count, 3);
        float[] sums = new float[count];
        Arrays.fill(sums, 1.5f);
        float[][] vector = {scores.clone(), largest.clone(), sums.clone(), new float[count]};
        float[][] scalar = {scores.clone(), largest.clone(), sums.clone(), new float[count]};
        StreamingSoftmax.add(vector[0], 7, count, vector[1], vector[2], vector[3]);
        StreamingSoftmax.addScalar(scalar[0], 7, count, scalar[1], scalar[2], scalar[3]);
        for (int i = 0; i < vector.length; i++) {
            assertArrayEquals(scalar[i], vector[i], "array " + i + " of softmax, seed " + (SEED + count));
        }
    }

    private interface Kernel {
        void run(float[] x);
    }

    private static void twins(float[] x, Kernel vector, Kernel scalar) {
        float[] one = x.clone();
        float[] other = x.clone();
        vector.run(one);
        scalar.run(other);
        assertArrayEquals(other, one, "seed " + SEED);
        assertTrue(!Arrays.equals(x, one), "something was computed");
        assertEquals(x[0], one[0], "the element before stays");
    }

    @Test
    void squaredReluGateIsThatOfItsFormula() {
        float[] gate = {-3f, -0f, 0f, 0.5f, 2f, 1e-30f};
        Pointwise.gateSquaredRelu(gate, 0, new float[] {7f, 7f, 7f, -2f, 3f, 1f}, 0, gate.length);
        assertArrayEquals(new float[] {0f, 0f, 0f, -0.5f, 12f, 0f}, gate);
    }

    /** Every value moves by half a level of its row at the most, the largest not at all, and a row knows nothing of others. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-3, 1, 1e4})
    void roundingToInt8KeepsTheLargestAndMovesOthersByHalfALevel(double scale) {
        int columns = 83;
        float[] x = normals(new Random(SEED), 3 * columns, scale);
        float[] rounded = x.clone();
        Int8Rounding.rows(rounded, 0, 3, columns);
        int moved = 0;
        for (int row = 0; row < 3; row++) {
            float largest = 0;
            for (int i = row * columns; i < (row + 1) * columns; i++) {
                largest = Math.max(largest, Math.abs(x[i]));
            }
            for (int i = row * columns; i < (row + 1) * columns; i++) {
                double level = rounded[i] * 127.0 / largest;
                assertEquals(Math.rint(level), level, 1e-4, "element " + i);
                assertTrue(Math.abs(rounded[i] - x[i]) <= largest / 254 * 1.00001, "element " + i);
                assertTrue(Math.abs(x[i]) < largest || Math.abs(rounded[i] - x[i]) <= Math.ulp(x[i]), "the largest");
                moved += rounded[i] == x[i] ? 0 : 1;
            }
        }
        assertTrue(moved > columns, "only " + moved + " moved");
    }

    @Test
    void rowOfZerosStaysAndTinyOnesBecomeZeros() {
        float[] x = {0f, 0f, 0f, 1e-8f, -3e-8f, 0f};
        Int8Rounding.rows(x, 0, 2, 3);
        assertArrayEquals(new float[6], x);
    }

    @Test
    void gateIsSiluTimesUp() {
        Random random = new Random(SEED);
        float[] gate = normals(random, 1000, 30);
        float[] up = normals(random, 1000, 1);
        float[] out = gate.clone();
        Pointwise.gate(out, 0, up, 0, out.length);
        for (int i = 0; i < out.length; i++) {
            double exact = gate[i] / (1 + StrictMath.exp(-(double) gate[i])) * up[i];
            assertEquals(exact, out[i], 1e-6 * Math.abs(exact) + 1e-36, "gate " + gate[i]);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 31, 256, 4100})
    void rmsNormDividesByTheRootOfTheMeanSquare(int columns) {
        Random random = new Random(SEED);
        float[] x = normals(random, 2 * columns, 3);
        float[] weight = normals(random, columns, 1);
        float[] out = new float[x.length];
        RmsNorm.of(x, 0, 2, columns, weight, 1e-3f, out, 0);
        for (int row = 0; row < 2; row++) {
            double squares = 0;
            for (int i = 0; i < columns; i++) {
                squares += (double) x[row * columns + i] * x[row * columns + i];
            }
            for (int i = 0; i < columns; i++) {
                double exact = x[row * columns + i] / Math.sqrt(squares / columns + 1e-3f) * weight[i];
                assertEquals(exact, out[row * columns + i], 1e-6 * Math.abs(exact), "row " + row + ", column " + i);
            }
        }
    }

    @Test
    void rmsNormOfARowThatOverflowsIsNaN() {
        float[] x = {1, 1e30f, 2, 3};
        float[] out = new float[4];
        RmsNorm.of(x, 0, 2, 2, new float[] {1, 1}, 0, out, 0);
        assertTrue(Float.isNaN(out[0]) && Float.isNaN(out[1]), Arrays.toString(out));
        assertEquals(2 / Math.sqrt(6.5), out[2], 1e-6);
    }

    @Test
    void rotationTurnsPairs() {
        float[] cos = {0.6f, 1f};
        float[] sin = {0.8f, 0f};
        float[] halves = {1, 2, 3, 4, 10, 20, 30, 40};
        Rotation.halves(halves, 0, 2, 4, cos, sin, 0);
        float[] expected = {1 * .6f - 3 * .8f, 2, 3 * .6f + 1 * .8f, 4, 10 * .6f - 30 * .8f, 20, 30 * .6f + 10 * .8f, 40
        };
        assertArrayEquals(expected, halves, 1e-6f);
        float[] neighbours = {1, 3, 2, 4, 10, 30, 20, 40};
        Rotation.neighbours(neighbours, 0, 2, 4, new float[] {0.6f, 0.6f, 1, 1}, new float[] {-0.8f, 0.8f, 0, 0}, 0);
        float[] regrouped = {
            expected[0], expected[2], expected[1], expected[3], expected[4], expected[6], expected[5], expected[7]
        };
        assertArrayEquals(regrouped, neighbours, 1e-6f);
    }

    @Test
    void softmaxInBlocksIsSoftmaxAtOnce() {
        Random random = new Random(SEED);
        int queries = 21;
        int keys = 50;
        float[] scores = normals(random, keys * queries, 6);
        scores[7 * queries + 3] = Float.NEGATIVE_INFINITY;
        float[] largest = new float[queries];
        Arrays.fill(largest, Float.NEGATIVE_INFINITY);
        float[] sums = new float[queries];
        float[] rescale = new float[queries];
        double[] weights = new double[keys * queries]; // as they were when their block came, rescaled since
        for (int from = 0; from < keys; from += 20) {
            int count = Math.min(20, keys - from);
            float[] block = Arrays.copyOfRange(scores, from * queries, (from + count) * queries);
            StreamingSoftmax.add(block, count, queries, largest, sums, rescale);
            for (int i = 0; i < from * queries; i++) {
                weights[i] *= rescale[i % queries];
            }
            for (int i = 0; i < block.length; i++) {
                weights[from * queries + i] = block[i];
            }
        }
        for (int query = 0; query < queries; query++) {
            double sum = 0;
            for (int key = 0; key < keys; key++) {
                sum += StrictMath.exp(scores[key * queries + query]);
            }
            for (int key = 0; key < keys; key++) {
                double exact = StrictMath.exp(scores[key * queries + query]) / sum;
                assertEquals(
                        exact, weights[key * queries + query] / sums[query], 2e-6, "query " + query + ", key " + key);
            }
        }
        assertEquals(0, weights[7 * queries + 3]);
    }
}
