package io.sparkgguf.quant;

import io.sparkgguf.kernel.ErrorSums;
import java.io.Serializable;
import java.util.Objects;
import java.util.StringJoiner;

/**
 * How far decoded weights are from the original ones: relative RMSE, largest error and where it is, cosine, and of ternary
 * originals whether they are the same.
 *
 * <p>Within a row sums are taken in double in a fixed order, over rows without rounding. So the figures depend on the
 * rows alone, not on how they were grouped into calls and merged, the JDK, or the vector width. Not safe for use by
 * several threads at once.
 */
public final class ErrorStats implements Serializable {
    private static final long serialVersionUID = 1L;

    private final ExactSum[] sums = {new ExactSum(), new ExactSum(), new ExactSum(), new ExactSum()};
    private final TernaryCensus ternary;
    private long count;
    private float largest;
    private long largestAt = -1;

    public ErrorStats() {
        this(new TernaryCensus());
    }

    private ErrorStats(TernaryCensus ternary) {
        this.ternary = ternary;
    }

    /**
     * Adds {@code rows} rows of {@code columns} elements each, after those that were added before.
     *
     * @param original row after row from {@code originalAt}
     * @param decoded the same elements, encoded and decoded again, from {@code decodedAt}
     */
    public void add(float[] original, int originalAt, float[] decoded, int decodedAt, int rows, int columns) {
        int elements = Math.multiplyExact(rows, columns);
        Objects.checkFromIndexSize(originalAt, elements, original.length);
        Objects.checkFromIndexSize(decodedAt, elements, decoded.length);
        double[] rowSums = new double[ErrorSums.SUMS];
        for (int row = 0; row < rows; row++) {
            int x = originalAt + row * columns;
            int y = decodedAt + row * columns;
            ErrorSums.sum(original, x, decoded, y, columns, rowSums);
            for (int s = 0; s < sums.length; s++) {
                sums[s].add(rowSums[s]);
            }
            float rowLargest = ErrorSums.largest(original, x, decoded, y, columns);
            if (exceeds(rowLargest)) {
                largest = rowLargest;
                largestAt = count + ErrorSums.indexOf(rowLargest, original, x, decoded, y, columns);
            }
            ternary.add(original, x, decoded, y, columns);
            count += columns;
        }
    }

    /** Adds what {@code next} saw, its elements after ours. */
    public void merge(ErrorStats next) {
        for (int s = 0; s < sums.length; s++) {
            sums[s].add(next.sums[s]);
        }
        if (exceeds(next.largest)) {
            largest = next.largest;
            largestAt = count + next.largestAt;
        }
        ternary.merge(next.ternary);
        count += next.count;
    }

    /** All of it as text, from which {@link #parse} makes an equal one. */
    @Override
    public String toString() {
        StringJoiner text = new StringJoiner("; ");
        text.add(Long.toString(count)).add(Float.toString(largest)).add(Long.toString(largestAt));
        for (ExactSum sum : sums) {
            text.add(sum.toString());
        }
        text.add(ternary.toString());
        return text.toString();
    }

    /**
     * Figures from their text.
     *
     * @throws IllegalArgumentException when it is something else
     */
    public static ErrorStats parse(String text) {
        String[] parts = text.split("; ", -1);
        int last = 3 + ErrorSums.SUMS;
        if (parts.length != last + 1) {
            throw new IllegalArgumentException("Cannot read '" + text + "' as figures of an error");
        }
        ErrorStats stats = new ErrorStats(TernaryCensus.parse(parts[last]));
        stats.count = Long.parseLong(parts[0]);
        stats.largest = Float.parseFloat(parts[1]);
        stats.largestAt = Long.parseLong(parts[2]);
        for (int s = 0; s < stats.sums.length; s++) {
            stats.sums[s].add(ExactSum.parse(parts[3 + s]));
        }
        return stats;
    }

    /** A larger error, or the first that is no number. */
    private boolean exceeds(float error) {
        return error > largest || Float.isNaN(error) && !Float.isNaN(largest);
    }

    /** Whether the originals were ternary, and whether they still are what they were. */
    public TernaryCensus ternary() {
        return ternary;
    }

    /** Elements compared. */
    public long count() {
        return count;
    }

    /** Root of the mean squared error; 0 when nothing was compared. */
    public double rmse() {
        return count == 0 ? 0 : Math.sqrt(sums[ErrorSums.ERROR].value() / count);
    }

    /**
     * Root of the sum of squared errors over the sum of squared originals; when all originals are zero, 0 without and
     * infinite with an error.
     */
    public double relativeRmse() {
        double error = sums[ErrorSums.ERROR].value();
        return error == 0 ? 0 : Math.sqrt(error / sums[ErrorSums.X].value());
    }

    /** The largest |original - decoded|, in float32. */
    public float largestError() {
        return largest;
    }

    /** The index of the first element with the largest error, counted over all rows added; -1 when none has an error. */
    public long largestErrorIndex() {
        return largestAt;
    }

    /** Cosine of the angle between originals and decoded; 1 when both are all zero, 0 when one of them is. */
    public double cosine() {
        double x = sums[ErrorSums.X].value();
        double y = sums[ErrorSums.Y].value();
        if (x == 0 || y == 0) {
            return x == y ? 1 : 0;
        }
        return sums[ErrorSums.PRODUCT].value() / (Math.sqrt(x) * Math.sqrt(y));
    }
}
