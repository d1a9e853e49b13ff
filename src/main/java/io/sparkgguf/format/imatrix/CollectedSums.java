package io.sparkgguf.format.imatrix;

import io.sparkgguf.format.gguf.Quoted;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;

/**
 * What an importance matrix collected, before it is divided: sums of squares and the tokens behind them. For adding
 * matrices up.
 */
public final class CollectedSums {
    private CollectedSums() {}

    /**
     * Tokens behind each matrix of an entry. A legacy file counts chunks, of {@code chunkSize} tokens each.
     *
     * @throws InvalidInputException when a count is negative or not finite
     */
    public static long[] counts(RangeReader reader, ImatrixEntry entry, int chunkSize) throws IOException {
        if (entry.legacy()) {
            return new long[] {(long) entry.calls() * chunkSize};
        }
        float[] stored = Importance.floats(reader, entry.countsAt(), entry.counts());
        long[] counts = new long[stored.length];
        for (int i = 0; i < counts.length; i++) {
            counts[i] = Math.round((double) requireSum(reader, entry, "count " + i, stored[i]));
        }
        return counts;
    }

    /**
     * Sums of squares, one a column, for count number {@code index} of an entry.
     *
     * @throws InvalidInputException when one is negative or not finite
     */
    public static double[] sums(RangeReader reader, ImatrixEntry entry, int index, int chunkSize) throws IOException {
        int columns = Math.toIntExact(entry.values() / entry.counts());
        float[] stored = Importance.floats(reader, entry.valuesAt() + 4L * index * columns, columns);
        double[] sums = new double[columns];
        for (int i = 0; i < columns; i++) {
            sums[i] = requireSum(reader, entry, "sum " + i, stored[i]) * (entry.legacy() ? (double) chunkSize : 1);
        }
        return sums;
    }

    private static float requireSum(RangeReader reader, ImatrixEntry entry, String what, float value) {
        if (!(value >= 0 && value <= Float.MAX_VALUE)) {
            throw new InvalidInputException("Cannot merge imatrix " + reader.file() + ": " + what + " of tensor "
                    + Quoted.of(entry.tensor()) + " is " + value);
        }
        return value;
    }
}
