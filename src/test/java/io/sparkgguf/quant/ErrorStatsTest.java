package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ErrorStatsTest {
    private static final int ROWS = 37;
    private static final int COLUMNS = 67;

    private final float[] original = new float[ROWS * COLUMNS];
    private final float[] decoded = new float[ROWS * COLUMNS];

    ErrorStatsTest() {
        Random random = new Random(5);
        for (int i = 0; i < original.length; i++) {
            original[i] = (float) random.nextGaussian();
            decoded[i] = (float) (original[i] + 0.05 * random.nextGaussian());
        }
    }

    private ErrorStats whole() {
        ErrorStats stats = new ErrorStats();
        stats.add(original, 0, decoded, 0, ROWS, COLUMNS);
        return stats;
    }

    @Test
    void figuresFollowTheirDefinitions() {
        BigDecimal error = BigDecimal.ZERO;
        BigDecimal xx = BigDecimal.ZERO;
        BigDecimal yy = BigDecimal.ZERO;
        BigDecimal xy = BigDecimal.ZERO;
        for (int i = 0; i < original.length; i++) {
            BigDecimal x = new BigDecimal(original[i]);
            BigDecimal y = new BigDecimal(decoded[i]);
            error = error.add(x.subtract(y).pow(2));
            xx = xx.add(x.pow(2));
            yy = yy.add(y.pow(2));
            xy = xy.add(x.multiply(y));
        }
        ErrorStats stats = whole();
        double relative = Math.sqrt(error.doubleValue() / xx.doubleValue());
        assertEquals(relative, stats.relativeRmse(), 1e-14);
        assertEquals(Math.sqrt(error.doubleValue() / original.length), stats.rmse(), 1e-14);
        double norms = xx.multiply(yy).sqrt(MathContext.DECIMAL64).doubleValue();
        assertEquals(xy.doubleValue() / norms, stats.cosine(), 1e-14);
        assertEquals(original.length, stats.count());
        assertTrue(relative > 0.04 && relative < 0.06);
    }

    @Test
    void theLargestErrorIsTheFirstOfItsSize() {
        decoded[20 * COLUMNS + 3] = -4;
        original[20 * COLUMNS + 3] = 0;
        decoded[30 * COLUMNS + 9] = 5;
        original[30 * COLUMNS + 9] = 1;
        ErrorStats stats = whole();
        assertEquals(4, stats.largestError());
        assertEquals(20 * COLUMNS + 3, stats.largestErrorIndex());
    }

    @Test
    void groupingAndMergingChangeNoBit() {
        ErrorStats whole = whole();
        for (long seed = 1; seed <= 20; seed++) {
            Random random = new Random(seed);
            ErrorStats merged = new ErrorStats();
            for (int row = 0; row < ROWS; ) {
                ErrorStats part = new ErrorStats();
                for (int calls = random.nextInt(3); calls >= 0 && row < ROWS; calls--) {
                    int rows = 1 + random.nextInt(Math.min(6, ROWS - row));
                    part.add(original, row * COLUMNS, decoded, row * COLUMNS, rows, COLUMNS);
                    row += rows;
                }
                merged.merge(part);
            }
            assertEquals(whole.relativeRmse(), merged.relativeRmse(), "seed " + seed);
            assertEquals(whole.rmse(), merged.rmse(), "seed " + seed);
            assertEquals(whole.cosine(), merged.cosine(), "seed " + seed);
            assertEquals(whole.largestError(), merged.largestError(), "seed " + seed);
            assertEquals(whole.largestErrorIndex(), merged.largestErrorIndex(), "seed " + seed);
            assertEquals(whole.count(), merged.count(), "seed " + seed);
        }
    }

    @Test
    void nothingAndZerosHaveFigures() {
        ErrorStats none = new ErrorStats();
        assertEquals(0, none.rmse());
        assertEquals(0, none.relativeRmse());
        assertEquals(1, none.cosine());
        assertEquals(-1, none.largestErrorIndex());

        ErrorStats lost = new ErrorStats();
        lost.add(new float[8], 0, new float[] {0, 0, 3, 0, -3, 0, 0, 0}, 0, 2, 4);
        assertEquals(Double.POSITIVE_INFINITY, lost.relativeRmse());
        assertEquals(0, lost.cosine());
        assertEquals(3, lost.largestError());
        assertEquals(2, lost.largestErrorIndex());
        assertEquals(1.5, lost.rmse());
    }

    @Test
    void whatIsNoNumberShows() {
        decoded[5 * COLUMNS + 1] = Float.NaN;
        ErrorStats stats = whole();
        assertEquals(Double.NaN, stats.relativeRmse());
        assertEquals(Double.NaN, stats.cosine());
        assertEquals(Float.NaN, stats.largestError());
        assertEquals(5 * COLUMNS + 1, stats.largestErrorIndex());
    }

    @Test
    void rowsBeyondTheArraysAreRefused() {
        ErrorStats stats = new ErrorStats();
        assertThrows(IndexOutOfBoundsException.class, () -> stats.add(original, 1, decoded, 0, ROWS, COLUMNS));
        assertThrows(IndexOutOfBoundsException.class, () -> stats.add(original, 0, decoded, 1, ROWS, COLUMNS));
        assertEquals(0, stats.count());
    }

    @Test
    void isReadBackFromItsText() {
        ErrorStats read = ErrorStats.parse(whole().toString());
        assertEquals(whole().toString(), read.toString());
        assertEquals(whole().largestErrorIndex(), read.largestErrorIndex());
        read.merge(whole());
        ErrorStats twice = whole();
        twice.merge(whole());
        assertEquals(twice.cosine(), read.cosine());
        assertEquals(2L * ROWS * COLUMNS, read.count());
        decoded[7] = Float.NaN;
        assertTrue(Float.isNaN(ErrorStats.parse(whole().toString()).largestError()));
        assertThrows(IllegalArgumentException.class, () -> ErrorStats.parse("1; 2; 3"));
    }
}
