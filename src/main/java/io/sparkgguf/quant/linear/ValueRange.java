package io.sparkgguf.quant.linear;

import io.sparkgguf.kernel.LinearRounding;
import java.io.Serializable;

/**
 * From where to where a grid reaches. Zero always lies within.
 *
 * @param lowest zero or less
 * @param highest zero or more
 */
public record ValueRange(float lowest, float highest) implements Serializable {
    /** That of nothing. */
    public static final ValueRange NONE = new ValueRange(0f, 0f);

    public ValueRange {
        if (!(lowest <= 0 && highest >= 0 && highest - (double) lowest < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("Cannot use range " + lowest + " to " + highest);
        }
    }

    /** Zero and all of {@code count} finite numbers. */
    public static ValueRange of(float[] x, int at, int count) {
        return new ValueRange(
                -LinearRounding.largestBelowZero(x, at, count), LinearRounding.largestAboveZero(x, at, count));
    }

    /** What either of both holds. */
    public ValueRange union(ValueRange other) {
        return new ValueRange(Math.min(lowest, other.lowest), Math.max(highest, other.highest));
    }

    /** The larger distance from zero. */
    public float limit() {
        return Math.max(-lowest, highest);
    }

    /** What of it lies between these. */
    public ValueRange within(double low, double high) {
        return new ValueRange((float) Math.max(lowest, low), (float) Math.min(highest, high));
    }

    /** Both ends moved towards zero by this factor. */
    ValueRange times(double factor) {
        return new ValueRange((float) (lowest * factor), (float) (highest * factor));
    }
}
