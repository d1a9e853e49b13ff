package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TriangularSolveTest {
    private static final long SEED = 20261127;

    @ParameterizedTest
    @CsvSource({"0, 5", "1, 1", "3, 40", "4, 16", "7, 0", "8, 31", "63, 33", "64, 70"})
    void vectorsGiveTheBitsOfTheDefinition(int rows, int columns) {
        Random random = new Random(SEED);
        int ldu = rows + 1;
        int ldc = columns + 2;
        double[] u = triangle(random, rows, ldu);
        double[] c = random.doubles(3 + (long) rows * ldc, -1, 1).toArray();
        double[] expected = c.clone();
        TriangularSolve.scalar(rows, columns, u, 0, ldu, expected, 3, ldc);
        TriangularSolve.solve(rows, columns, u, 0, ldu, c, 3, ldc);
        assertArrayEquals(expected, c, "seed " + SEED);
    }

    /** What is below the diagonal is no part of the matrix. */
    private static double[] triangle(Random random, int rows, int ldu) {
        double[] u = new double[rows * ldu];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < rows; j++) {
                u[i * ldu + j] = i > j ? Double.NaN : i == j ? 4 + random.nextDouble() : random.nextDouble() - 0.5;
            }
        }
        return u;
    }

    @Test
    void theSolutionSolves() {
        int rows = 30;
        int columns = 20;
        Random random = new Random(SEED);
        double[] u = triangle(random, rows, rows);
        double[] c = random.doubles(rows * columns, -1, 1).toArray();
        double[] x = c.clone();
        TriangularSolve.solve(rows, columns, u, 0, rows, x, 0, columns);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                double sum = 0;
                for (int k = 0; k <= i; k++) {
                    sum += u[k * rows + i] * x[k * columns + j];
                }
                assertEquals(c[i * columns + j], sum, 1e-14, "element " + i + ", " + j + ", seed " + SEED);
            }
        }
    }
}
