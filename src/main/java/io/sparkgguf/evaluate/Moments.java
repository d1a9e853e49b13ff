package io.sparkgguf.evaluate;

import java.io.Serializable;

/** Count, sum and sum of squares of some numbers: their mean, and how sure it is. */
public final class Moments implements Serializable {
    private static final long serialVersionUID = 1L;

    private long count;
    private double sum;
    private double squares;

    void add(double value) {
        count++;
        sum += value;
        squares += value * value;
    }

    /** Takes in what came after. */
    void merge(Moments later) {
        count += later.count;
        sum += later.sum;
        squares += later.squares;
    }

    public long count() {
        return count;
    }

    /** The mean; NaN of nothing. */
    public double mean() {
        return sum / count;
    }

    /**
     * Standard error of the mean: root of (mean square - squared mean) / (count - 1). 0 where rounding made the variance
     * negative, NaN of fewer than two.
     */
    public double error() {
        if (count < 2) {
            return Double.NaN;
        }
        double mean = mean();
        return Math.sqrt(Math.max(0, squares / count - mean * mean) / (count - 1));
    }
}
