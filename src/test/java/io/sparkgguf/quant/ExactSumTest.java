package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ExactSumTest {

    @Test
    void isTheNearestDoubleOfTheTrueSum() {
        for (long seed = 1; seed <= 200; seed++) {
            Random random = new Random(seed);
            int spread = 1 + random.nextInt(600);
            ExactSum sum = new ExactSum();
            BigDecimal expected = BigDecimal.ZERO;
            for (int i = random.nextInt(60); i >= 0; i--) {
                double term = Math.scalb(random.nextDouble() - 0.5, random.nextInt(2 * spread) - spread);
                sum.add(term);
                expected = expected.add(new BigDecimal(term));
            }
            assertEquals(expected.doubleValue(), sum.value(), "seed " + seed);
        }
    }

    @Test
    void tiesGoToEvenAndASingleLastBitDecides() {
        ExactSum sum = new ExactSum();
        sum.add(1);
        sum.add(0x1p-53);
        assertEquals(1, sum.value());
        sum.add(Double.MIN_VALUE);
        assertEquals(1 + 0x1p-52, sum.value());
        sum.add(-1e300);
        sum.add(1e300);
        assertEquals(1 + 0x1p-52, sum.value());
    }

    @Test
    void mergesWithoutLossOfAnything() {
        ExactSum left = new ExactSum();
        ExactSum right = new ExactSum();
        left.add(Double.MAX_VALUE);
        right.add(-Double.MAX_VALUE);
        right.add(-Double.MIN_VALUE);
        left.add(right);
        assertEquals(-Double.MIN_VALUE, left.value());
        assertEquals(-Double.MAX_VALUE, right.value());
        left.add(Double.POSITIVE_INFINITY);
        assertEquals(Double.POSITIVE_INFINITY, left.value());
        right.add(Double.NEGATIVE_INFINITY);
        left.add(right);
        assertEquals(Double.NaN, left.value());
    }
}
