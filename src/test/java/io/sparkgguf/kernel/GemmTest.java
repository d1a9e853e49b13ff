package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products in vectors beside their scalar definition, bit by bit, and the definition beside plain sums. */
class GemmTest {
    private static final long SEED = 20261124;

    /** The four products: what their factors look like. */
    private enum Product {
        TRANSPOSED(false, true),
        PLAIN(false, false),
        SUBTRACT(false, false),
        SUBTRACT_TRANSPOSED_LEFT(true, false);

        private final boolean leftTransposed;
        private final boolean rightTransposed;

        Product(boolean leftTransposed, boolean rightTransposed) {
            this.leftTransposed = leftTransposed;
            this.rightTransposed = rightTransposed;
        }

        boolean subtracts() {
            return this == SUBTRACT || this == SUBTRACT_TRANSPOSED_LEFT;
        }
    }

    /** One problem in both precisions: matrices at odd offsets, rows further apart than they are long. */
    private static final class Problem {
        final Product product;
        final int m;
        final int n;
        final int k;
        final boolean add;
        final int lda;
        final int ldb;
        final int ldc;
        final float[] a;
        final float[] b;
        final float[] c;
        final double[] da;
        final double[] db;
        final double[] dc;

        Problem(Product product, int m, int n, int k, boolean add, Random random) {
            this.product = product;
            this.m = m;
            this.n = n;
            this.k = k;
            this.add = add || product.subtracts();
            lda = (product.leftTransposed ? m : k) + random.nextInt(3);
            ldb = (product.rightTransposed ? k : n) + random.nextInt(3);
            ldc = n + random.nextInt(3);
            // not an element more than needed: reading ahead of the last row would be seen
            da = values(random, 1 + size(product.leftTransposed ? k : m, product.leftTransposed ? m : k, lda));
            db = values(random, 2 + size(product.rightTransposed ? n : k, product.rightTransposed ? k : n, ldb));
            dc = values(random, 3 + size(m, n, ldc) + 2);
            a = floats(da);
            b = floats(db);
            c = floats(dc);
        }

        private static int size(int rows, int columns, int ld) {
            return rows == 0 ? 0 : (rows - 1) * ld + columns;
        }

        private static double[] values(Random random, int count) {
            double[] values = new double[count];
            for (int i = 0; i < count; i++) {
                values[i] = random.nextInt(9) == 0 ? 0 : random.nextGaussian() * (random.nextInt(9) == 0 ? 1e3 : 1);
            }
            return values;
        }

        private static float[] floats(double[] values) {
            float[] floats = new float[values.length];
            for (int i = 0; i < values.length; i++) {
                floats[i] = (float) values[i];
            }
            return floats;
        }

        float[] floatsOf() {
            float[] out = c.clone();
            switch (product) {
                case TRANSPOSED -> Gemm.multiplyTransposed(m, n, k, a, 1, lda, b, 2, ldb, add, out, 3, ldc);
                case PLAIN -> Gemm.multiply(m, n, k, a, 1, lda, b, 2, ldb, add, out, 3, ldc);
                case SUBTRACT -> Gemm.subtract(m, n, k, a, 1, lda, b, 2, ldb, out, 3, ldc);
                case SUBTRACT_TRANSPOSED_LEFT ->
                    Gemm.subtractTransposedLeft(m, n, k, a, 1, lda, b, 2, ldb, out, 3, ldc);
            }
            return out;
        }

        double[] doublesOf() {
            double[] out = dc.clone();
            switch (product) {
                case TRANSPOSED -> DoubleGemm.multiplyTransposed(m, n, k, da, 1, lda, db, 2, ldb, add, out, 3, ldc);
                case PLAIN -> DoubleGemm.multiply(m, n, k, da, 1, lda, db, 2, ldb, add, out, 3, ldc);
                case SUBTRACT -> DoubleGemm.subtract(m, n, k, da, 1, lda, db, 2, ldb, out, 3, ldc);
                case SUBTRACT_TRANSPOSED_LEFT ->
                    DoubleGemm.subtractTransposedLeft(m, n, k, da, 1, lda, db, 2, ldb, out, 3, ldc);
            }
            return out;
        }

        float[] floatsDefined() {
            float[] out = c.clone();
            float sign = product.subtracts() ? -1 : 1;
            GemmScalar.run(m, n, k, a, 1, aRow(), aColumn(), b, 2, bRow(), bColumn(), add, sign, false, out, 3, ldc);
            return out;
        }

        double[] doublesDefined() {
            double[] out = dc.clone();
            double sign = product.subtracts() ? -1 : 1;
            GemmScalar.run(m, n, k, da, 1, aRow(), aColumn(), db, 2, bRow(), bColumn(), add, sign, false, out, 3, ldc);
            return out;
        }

        private int aRow() {
            return product.leftTransposed ? 1 : lda;
        }

        private int aColumn() {
            return product.leftTransposed ? lda : 1;
        }

        private int bRow() {
            return product.rightTransposed ? 1 : ldb;
        }

        private int bColumn() {
            return product.rightTransposed ? ldb : 1;
        }
    }

    static Stream<Arguments> shapes() {
        int w = Lanes.WIDTH;
        int[][] shapes = {
            {0, 3, 2},
            {3, 0, 2},
            {3, 2, 0},
            {1, 1, 1},
            {2, 3, 5},
            {1, 2 * w, 7},
            {12, 2 * w, 16},
            {6, w, 64},
            {13, 2 * w + 1, 65},
            {11, w - 1, 63},
            {25, 3 * w, 130},
            {24, 4 * w, 512},
            {7, 5, 513},
            {12, w + 1, 1025},
            {385, 9, 33},
            {401, 70, 3},
            {5, 2049, 4},
            {31, 1030, 17},
            {2, 2100, 70}
        };
        return Stream.of(shapes)
                .flatMap(shape -> Stream.of(Product.values())
                        .map(product -> Arguments.of(product, shape[0], shape[1], shape[2])));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void vectorsGiveTheBitsOfTheDefinition(Product product, int m, int n, int k) {
        Random random = new Random(SEED);
        for (boolean add : new boolean[] {false, true}) {
            Problem problem = new Problem(product, m, n, k, add, random);
            assertArrayEquals(problem.floatsDefined(), problem.floatsOf(), "floats, seed " + SEED);
            assertArrayEquals(problem.doublesDefined(), problem.doublesOf(), "doubles, seed " + SEED);
        }
    }

    @Test
    void vectorsGiveTheBitsOfTheDefinitionForRandomShapes() {
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(SEED + seed);
            Product product = Product.values()[random.nextInt(4)];
            Problem problem = new Problem(
                    product, random.nextInt(60), random.nextInt(90), random.nextInt(80), random.nextBoolean(), random);
            String what = product + " " + problem.m + " × " + problem.n + " × " + problem.k + ", seed " + (SEED + seed);
            assertArrayEquals(problem.floatsDefined(), problem.floatsOf(), what);
            assertArrayEquals(problem.doublesDefined(), problem.doublesOf(), what);
        }
    }

    /** The definition itself: fused, in order, from the right start. */
    /** The product that floats have and doubles have not; at odd offsets, added and not. */
    @ParameterizedTest
    @ValueSource(ints = {1, 5, 16, 33, 190})
    void transposedLeftIsItsDefinition(int size) {
        Random random = new Random(SEED + size);
        int m = size;
        int n = size + 3;
        int k = 2 * size;
        float[] a = Problem.floats(Problem.values(random, 1 + k * m));
        float[] b = Problem.floats(Problem.values(random, 2 + k * n));
        for (boolean add : new boolean[] {false, true}) {
            float[] c = Problem.floats(Problem.values(random, 3 + m * n));
            float[] expected = c.clone();
            GemmScalar.run(m, n, k, a, 1, 1, m, b, 2, n, 1, add, 1, false, expected, 3, n);
            Gemm.multiplyTransposedLeft(m, n, k, a, 1, m, b, 2, n, add, c, 3, n);
            assertArrayEquals(expected, c, "seed " + (SEED + size) + ", add " + add);
        }
    }

    @ParameterizedTest
    @EnumSource(Product.class)
    void anElementIsOneChainOfFusedOperations(Product product) {
        Problem problem = new Problem(product, 3, 4, 50, true, new Random(SEED));
        float[] floats = problem.floatsOf();
        double[] doubles = problem.doublesOf();
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 4; j++) {
                int at = 3 + i * problem.ldc + j;
                float sum = problem.c[at];
                double doubleSum = problem.dc[at];
                for (int p = 0; p < 50; p++) {
                    int left = 1 + i * problem.aRow() + p * problem.aColumn();
                    int right = 2 + p * problem.bRow() + j * problem.bColumn();
                    int sign = product.subtracts() ? -1 : 1;
                    sum = Math.fma(sign * problem.a[left], problem.b[right], sum);
                    doubleSum = Math.fma(sign * problem.da[left], problem.db[right], doubleSum);
                }
                assertArrayEquals(new float[] {sum}, new float[] {floats[at]}, "element " + i + ", " + j);
                assertArrayEquals(new double[] {doubleSum}, new double[] {doubles[at]}, "element " + i + ", " + j);
            }
        }
    }

    /** What is not a number stays in its row and column, although tiles are filled up. */
    @Test
    void infinitiesAndNansStayInTheirElements() {
        int n = 2 * Lanes.WIDTH + 3;
        float[] a = new float[13 * 5];
        float[] b = new float[5 * n];
        java.util.Arrays.fill(a, 1);
        java.util.Arrays.fill(b, 1);
        a[12 * 5 + 4] = Float.NaN;
        b[n - 1] = Float.POSITIVE_INFINITY;
        float[] c = new float[13 * n];
        Gemm.multiply(13, n, 5, a, 0, 5, b, 0, n, false, c, 0, n);
        float[] expected = new float[13 * n];
        for (int i = 0; i < 13; i++) {
            for (int j = 0; j < n; j++) {
                expected[i * n + j] = i == 12 ? Float.NaN : j == n - 1 ? Float.POSITIVE_INFINITY : 5;
            }
        }
        assertArrayEquals(expected, c);
    }

    @Test
    void theTriangleOfAGramUpdateIsTheProducts() {
        for (int n : new int[] {1, 5, 12, 40, 131, 400, 1100}) {
            int k = 37;
            Random random = new Random(SEED + n);
            int lda = n + 2;
            double[] a = random.doubles(1 + (long) k * lda, -1, 1).toArray();
            double[] c = random.doubles(1 + (long) n * n, -1, 1).toArray();
            double[] whole = c.clone();
            DoubleGemm.subtractTransposedLeft(n, n, k, a, 1, lda, a, 1, lda, whole, 1, n);
            DoubleGemm.subtractGram(n, k, a, 1, lda, c, 1, n);
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < i; j++) {
                    whole[1 + i * n + j] = 0;
                    c[1 + i * n + j] = 0;
                }
            }
            assertArrayEquals(whole, c, "order " + n + ", seed " + (SEED + n));
        }
    }

    /** A failed call leaves the thread's panels usable. */
    @Test
    void matricesThatAreTooSmallAreRefused() {
        float[] small = new float[10];
        float[] c = new float[1600];
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> Gemm.multiply(40, 40, 40, small, 0, 40, new float[1600], 0, 40, false, c, 0, 40));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> Gemm.multiplyTransposed(40, 40, 40, new float[1600], 0, 40, small, 0, 40, false, c, 0, 40));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> Gemm.multiply(40, 40, 40, c, 0, 40, new float[1600], 0, 40, true, small, 0, 40));
        vectorsGiveTheBitsOfTheDefinition(Product.PLAIN, 13, 40, 65);
    }
}
