package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FiniteTest {
    private static final float[] BAD = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, -Float.NaN};

    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 17, 1023, 1024, 1025, 5000})
    void findsTheFirstOfSeveralAtAnyPlace(int count) {
        for (int place : new int[] {0, 1, count / 2, count - 1, Math.max(0, count - 17)}) {
            for (float bad : BAD) {
                int expected = place < count ? place : -1;
                float[] x = new float[count + 4];
                Arrays.fill(x, 0, x.length, Float.NaN);
                Arrays.fill(x, 2, 2 + count, -Float.MAX_VALUE);
                assertFinds(-1, x, count);
                if (expected >= 0) {
                    x[2 + place] = bad;
                    x[2 + count - 1] = place == count - 1 ? bad : Float.NaN;
                    assertFinds(expected, x, count);
                }
            }
        }
    }

    private static void assertFinds(int expected, float[] x, int count) {
        assertEquals(expected, Finite.firstNonFinite(x, 2, count));
        assertEquals(expected, Finite.firstNonFiniteScalar(x, 2, count));

        byte[] f32 = new byte[4 * x.length];
        Scalars.encodeF32(x, 0, x.length, f32, 0);
        assertEquals(expected, Finite.firstNonFiniteF32(f32, 8, count));

        float[] small = x.clone();
        for (int i = 0; i < small.length; i++) {
            small[i] = small[i] == -Float.MAX_VALUE ? -65504f : small[i];
        }
        byte[] half = new byte[2 * x.length];
        Halves.f32ToF16(small, 0, x.length, half, 0);
        assertEquals(expected, Finite.firstNonFiniteF16(half, 4, count));
        assertEquals(expected, Finite.firstNonFiniteF16(half, 4, count, 2));
        Halves.f32ToBf16(small, 0, x.length, half, 0);
        assertEquals(expected, Finite.firstNonFiniteBf16(half, 4, count));
    }
}
