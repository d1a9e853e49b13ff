package io.sparkgguf.job;

import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.kernel.ErrorSums;
import io.sparkgguf.kernel.WeightedErrorSums;
import io.sparkgguf.quant.linear.GgufScheme;
import io.sparkgguf.quant.linear.LinearGrid;
import io.sparkgguf.quant.linear.LinearRounder;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Tries all schemes on a slice and adds up their errors, row after row in double.
 *
 * @param grids by tensor, then by scheme, those of whole tensors; null for the others
 * @param sigmas of the tensors, by number
 */
record SurveyErrors(SurveyRows rows, ArrayList<Scheme> schemes, ArrayList<LinearGrid[]> grids, ArrayList<Double> sigmas)
        implements Stage.Task<SurveySlice, SurveyErrors.Sums> {
    /** What is farther from zero than so many sigmas is an outlier. */
    static final double OUTLIER = 6;
    /** Bins of a histogram for each sigma. */
    static final int BINS_PER_SIGMA = 4;
    /** How far bins reach on both sides, in sigmas. */
    static final int BINS_TO = 8;
    /** Of equal width, and one on each side for what is beyond. */
    static final int BINS = 2 * BINS_TO * BINS_PER_SIGMA + 2;

    /**
     * What was summed.
     *
     * @param squares of weights
     * @param weightedSquares the same, each counted by its column's importance; 0 without
     * @param outliers weights beyond {@link #OUTLIER} sigmas
     * @param histogram weights by bin
     * @param errors squared errors, by scheme
     * @param weightedErrors the same, each counted by its column's importance; 0 without
     * @param clipped weights beyond the grid, by scheme; 0 for GGUF's types
     */
    record Sums(
            double[] squares,
            double[] weightedSquares,
            long[] outliers,
            long[] histogram,
            double[] errors,
            double[] weightedErrors,
            long[] clipped)
            implements Serializable {
        static Sums none(int schemes) {
            return new Sums(
                    new double[1],
                    new double[1],
                    new long[1],
                    new long[BINS],
                    new double[schemes],
                    new double[schemes],
                    new long[schemes]);
        }

        /** Adds those of a later slice. */
        void add(Sums next) {
            add(squares, next.squares);
            add(weightedSquares, next.weightedSquares);
            add(outliers, next.outliers);
            add(histogram, next.histogram);
            add(errors, next.errors);
            add(weightedErrors, next.weightedErrors);
            add(clipped, next.clipped);
        }

        private static void add(double[] to, double[] more) {
            for (int i = 0; i < to.length; i++) {
                to[i] += more[i];
            }
        }

        private static void add(long[] to, long[] more) {
            for (int i = 0; i < to.length; i++) {
                to[i] += more[i];
            }
        }
    }

    /** Bytes that a task holds for rows of so many columns. */
    static long memory(int columns, int schemes) {
        // weights, and rounded ones of both kinds of schemes; importance twice; the sums
        long slab = (long) SurveyRows.slabRows(columns) * columns;
        return 8 * slab + RoundedRows.memory(slab) + 16L * columns + 24L * schemes;
    }

    @Override
    public Sums run(SurveySlice slice) throws IOException {
        Attempt attempt = new Attempt(slice, rows.importance(slice));
        rows.read(slice, attempt::add);
        return attempt.sums();
    }

    /** One attempt at a slice, and its buffers. */
    private final class Attempt {
        private final SurveySlice slice;
        private final int columns;
        private final float[] importance;
        private final Sums sums = Sums.none(schemes.size());
        private final double sigma;
        private final List<LinearRounder> rounders = new ArrayList<>();
        private final double[] row = new double[ErrorSums.SUMS];
        private float[] rounded = new float[0];
        private final RoundedRows rounding = new RoundedRows();

        Attempt(SurveySlice slice, float[] importance) {
            this.slice = slice;
            this.importance = importance;
            columns = slice.columns();
            sigma = sigmas.get(slice.tensor());
            LinearGrid[] known = grids.get(slice.tensor());
            for (int s = 0; s < known.length; s++) {
                rounders.add(
                        schemes.get(s) instanceof LinearScheme scheme ? new LinearRounder(scheme, known[s]) : null);
            }
        }

        void add(float[] x, int count) {
            int weights = count * columns;
            if (rounded.length < weights) {
                rounded = new float[weights];
            }
            for (int i = 0; i < weights; i++) {
                count(x[i]);
            }
            add(x, x, count, sums.squares(), sums.weightedSquares(), 0, ErrorSums.X, 1);
            for (int s = 0; s < rounders.size(); s++) {
                if (!schemes.get(s).fits(columns)) {
                    continue;
                }
                float[] result = rounded;
                if (rounders.get(s) != null) {
                    rounders.get(s).round(x, 0, count, columns, importance, 0, rounded, 0);
                } else {
                    BlockType type = ((GgufScheme) schemes.get(s)).type();
                    result = rounding.round(type, x, 0, count, columns, importance);
                }
                add(x, result, count, sums.errors(), sums.weightedErrors(), s, ErrorSums.ERROR, 0);
            }
        }

        private void count(float x) {
            if (Math.abs(x) > OUTLIER * sigma) {
                sums.outliers()[0]++;
            }
            double place = sigma == 0 ? 0 : x / sigma * BINS_PER_SIGMA;
            long bin = (long) Math.floor(place) + BINS_TO * BINS_PER_SIGMA + 1;
            sums.histogram()[(int) Math.max(0, Math.min(BINS - 1, bin))]++;
        }

        /** Adds one plain sum and one weighted sum of each row. */
        private void add(
                float[] x, float[] y, int count, double[] to, double[] weightedTo, int at, int plain, int weighted) {
            for (int r = 0; r < count; r++) {
                ErrorSums.sum(x, r * columns, y, r * columns, columns, row);
                to[at] += row[plain];
                if (importance != null) {
                    WeightedErrorSums.sum(x, r * columns, y, r * columns, importance, 0, columns, row);
                    weightedTo[at] += row[weighted];
                }
            }
        }

        Sums sums() {
            for (int s = 0; s < rounders.size(); s++) {
                sums.clipped()[s] =
                        rounders.get(s) == null ? 0 : rounders.get(s).clipped();
            }
            return sums;
        }
    }
}
