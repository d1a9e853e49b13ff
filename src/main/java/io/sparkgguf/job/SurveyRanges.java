package io.sparkgguf.job;

import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.kernel.ErrorSums;
import io.sparkgguf.quant.linear.ValueCounts;
import io.sparkgguf.quant.linear.ValueRange;
import java.io.IOException;
import java.io.Serializable;

/** The first look at a slice: what schemes of the whole tensor must know before they can round. */
record SurveyRanges(SurveyRows rows, boolean counting) implements Stage.Task<SurveySlice, SurveyRanges.Seen> {

    /**
     * What was seen.
     *
     * @param squares sum of squares
     * @param count weights
     * @param counts for percentiles; null when nobody asks
     */
    record Seen(ValueRange range, double squares, long count, ValueCounts counts) implements Serializable {
        /** With the slices that follow. */
        Seen and(Seen next) {
            if (counts != null) {
                counts.merge(next.counts);
            }
            return new Seen(range.union(next.range), squares + next.squares, count + next.count, counts);
        }

        /** The root of the mean square. */
        double sigma() {
            return Math.sqrt(squares / count);
        }
    }

    @Override
    public Seen run(SurveySlice slice) throws IOException {
        Seen[] seen = {new Seen(ValueRange.NONE, 0, 0, counting ? new ValueCounts() : null)};
        int columns = slice.columns();
        double[] sums = new double[ErrorSums.SUMS];
        rows.read(slice, (x, count) -> {
            double squares = seen[0].squares();
            for (int row = 0; row < count; row++) {
                ErrorSums.sum(x, row * columns, x, row * columns, columns, sums);
                squares += sums[ErrorSums.X];
            }
            if (counting) {
                seen[0].counts().add(x, 0, count * columns);
            }
            seen[0] = new Seen(
                    seen[0].range().union(ValueRange.of(x, 0, count * columns)),
                    squares,
                    seen[0].count() + (long) count * columns,
                    seen[0].counts());
        });
        return seen[0];
    }
}
