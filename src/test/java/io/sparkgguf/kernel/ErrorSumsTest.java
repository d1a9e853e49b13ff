package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ErrorSumsTest {

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 15, 16, 17, 31, 32, 100, 4096, 4099})
    void lanesEqualTheScalarTwinAndBothThePlainSums(int count) {
        long seed = 3 + count;
        Random random = new Random(seed);
        float[] x = new float[count + 2];
        float[] y = new float[count + 5];
        for (int i = 0; i < count; i++) {
            x[2 + i] = (float) random.nextGaussian();
            y[5 + i] = x[2 + i] + (float) (0.01 * random.nextGaussian());
        }
        double[] plain = new double[ErrorSums.SUMS];
        float largest = 0f;
        int largestAt = -1;
        for (int i = 0; i < count; i++) {
            double vx = x[2 + i];
            double vy = y[5 + i];
            plain[ErrorSums.ERROR] += (vx - vy) * (vx - vy);
            plain[ErrorSums.X] += vx * vx;
            plain[ErrorSums.Y] += vy * vy;
            plain[ErrorSums.PRODUCT] += vx * vy;
            if (Math.abs(x[2 + i] - y[5 + i]) > largest) {
                largest = Math.abs(x[2 + i] - y[5 + i]);
                largestAt = i;
            }
        }
        double[] lanes = new double[ErrorSums.SUMS];
        double[] scalar = new double[ErrorSums.SUMS];
        ErrorSums.sum(x, 2, y, 5, count, lanes);
        ErrorSums.sumScalar(x, 2, y, 5, count, scalar);
        assertArrayEquals(scalar, lanes, "seed " + seed);
        for (int s = 0; s < ErrorSums.SUMS; s++) {
            assertEquals(plain[s], lanes[s], 1e-13 * Math.abs(plain[s]), "sum " + s + ", seed " + seed);
        }
        assertEquals(largest, ErrorSums.largest(x, 2, y, 5, count), "seed " + seed);
        assertEquals(largestAt, largest == 0f ? -1 : ErrorSums.indexOf(largest, x, 2, y, 5, count), "seed " + seed);
    }
}
