package io.sparkgguf.plan;

/**
 * What solving rows against a Hessian takes. All rows of a unit are held at once, unlike in rounding, which goes through
 * them slab by slab. Every unit reads the whole Hessian, so the more rows it has, the less is read.
 *
 * @param limit bytes that a unit may hold
 * @param fixed bytes that it holds whatever its rows
 * @param perRow bytes for each row
 * @param nanosPerWeight time for each weight, beside what rounding it takes
 */
public record SolveCost(long limit, long fixed, long perRow, double nanosPerWeight) {
    /** Bytes for so many rows. */
    long memory(long rows) {
        return fixed + rows * perRow;
    }

    /** Rows that fit, at least one. */
    long rows() {
        return Math.max(1, (limit - fixed) / Math.max(1, perRow));
    }
}
