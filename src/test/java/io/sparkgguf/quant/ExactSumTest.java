package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    @Test
    void isReadBackFromItsText() {
        for (long seed = 1; seed <= 100; seed++) {
            Random random = new Random(seed);
            ExactSum sum = new ExactSum();
            for (int i = random.nextInt(20); i > 0; i--) {
                sum.add(Math.scalb(random.nextDouble() - 0.5, random.nextInt(2000) - 1000));
            }
            ExactSum read = ExactSum.parse(sum.toString());
            assertEquals(sum.value(), read.value(), "seed " + seed);
            read.add(-sum.value());
            sum.add(-sum.value());
            assertEquals(sum.value(), read.value(), "seed " + seed + ": what is below the last bit is lost");
            assertEquals(sum.toString(), read.toString(), "seed " + seed);
        }
        ExactSum special = new ExactSum();
        special.add(1);
        special.add(Double.NEGATIVE_INFINITY);
        assertEquals(
                Double.NEGATIVE_INFINITY, ExactSum.parse(special.toString()).value());
        special.add(Double.POSITIVE_INFINITY);
        assertEquals(Double.NaN, ExactSum.parse(special.toString()).value());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1", "xp1", "1p", "1p-1", "1p0 x", "ffffffffp9999", "--1p0"})
    void refusesOtherText(String text) {
        String reason = assertThrows(IllegalArgumentException.class, () -> ExactSum.parse(text))
                .getMessage();
        assertTrue(reason.startsWith("Cannot read '" + text + "' as a sum"), reason);
    }
}
