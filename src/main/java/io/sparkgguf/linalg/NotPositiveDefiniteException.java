package io.sparkgguf.linalg;

/** A matrix cannot be factored: a pivot is not a positive finite number. */
public final class NotPositiveDefiniteException extends Exception {
    private static final long serialVersionUID = 1L;

    private final long pivot;
    private final double value;

    public NotPositiveDefiniteException(long pivot, double value) {
        super("Cannot factor the matrix: not positive definite, pivot " + pivot + " is " + value);
        this.pivot = pivot;
        this.value = value;
    }

    /** Row and column, from 0, of the element of the diagonal at which it was seen. */
    public long pivot() {
        return pivot;
    }

    /** What was left of that element: zero, negative, infinite or NaN. */
    public double value() {
        return value;
    }
}
