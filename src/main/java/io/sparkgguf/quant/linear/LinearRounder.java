package io.sparkgguf.quant.linear;

import io.sparkgguf.kernel.Finite;
import java.util.Arrays;
import java.util.Objects;

/**
 * Rounds rows of weights by one linear scheme. Keeps scratch memory and counts, so each thread needs its own.
 *
 * <p>Results depend on the values alone: not on the vector width or the JDK, nor, unless the scheme is of the whole tensor,
 * on how rows are grouped into calls.
 */
public final class LinearRounder {
    private final LinearScheme scheme;
    private final LinearGrid known;
    private final ClipSearch search = new ClipSearch();
    private float[] ones = new float[0];
    private long clipped;

    /** Finds each grid from the numbers that share it; for the whole tensor those of one call. */
    public LinearRounder(LinearScheme scheme) {
        this(scheme, null);
    }

    /**
     * Rounds a whole tensor, slab by slab, to a grid that was found before.
     *
     * @param known null to find grids
     */
    public LinearRounder(LinearScheme scheme, LinearGrid known) {
        if (known != null && !scheme.isWholeTensor()) {
            throw new IllegalArgumentException("Cannot round by " + scheme + " to one grid: it has many");
        }
        this.scheme = Objects.requireNonNull(scheme, "scheme");
        this.known = known;
    }

    /** Takes the grid of a run of numbers. */
    private interface Sink {
        void accept(int at, int count, LinearGrid grid);
    }

    /**
     * Writes what the weights become.
     *
     * @param x finite weights, {@code rows} rows of {@code columns} from {@code at}
     * @param importance null, or {@code columns} finite weights of errors, not negative, from {@code importanceAt}, the same
     *     for every row; only a search of clips looks at them
     * @param y receives as many from {@code yAt}; may not be {@code x}
     * @throws IllegalArgumentException when a weight is not finite
     */
    public void round(
            float[] x, int at, int rows, int columns, float[] importance, int importanceAt, float[] y, int yAt) {
        Objects.checkFromIndexSize(yAt, Math.multiplyExact(rows, columns), y.length);
        run(x, at, rows, columns, importance, importanceAt, (from, count, grid) -> {
            grid.round(x, from, count, y, yAt + from - at);
            clipped += grid.clipped(x, from, count);
        });
    }

    /** The same as what would be stored; parameters as in {@link #round}. */
    public LinearCodes encode(float[] x, int at, int rows, int columns, float[] importance, int importanceAt) {
        LinearCodes.Builder codes = new LinearCodes.Builder(rows, columns);
        run(x, at, rows, columns, importance, importanceAt, (from, count, grid) -> codes.add(x, from, count, grid));
        return codes.build();
    }

    /** How many of all weights so far lay beyond their grid by more than half a step. */
    public long clipped() {
        return clipped;
    }

    private void run(float[] x, int at, int rows, int columns, float[] importance, int importanceAt, Sink sink) {
        Objects.checkFromIndexSize(at, Math.multiplyExact(rows, columns), x.length);
        int bad = Finite.firstNonFinite(x, at, rows * columns);
        if (bad >= 0) {
            throw new IllegalArgumentException("Cannot round by " + scheme + ": weight " + bad + " is " + x[at + bad]);
        }
        if (importance != null) {
            Objects.checkFromIndexSize(importanceAt, columns, importance.length);
        }
        float[] weights = importance == null ? ones(columns) : importance;
        int weightsAt = importance == null ? 0 : importanceAt;
        if (scheme.isWholeTensor()) {
            LinearGrid grid = known != null ? known : grid(x, at, rows, columns, weights, weightsAt);
            sink.accept(at, rows * columns, grid);
            return;
        }
        int run = scheme.granularity().run(columns);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column += run) {
                int from = at + row * columns + column;
                int count = Math.min(run, columns - column);
                sink.accept(from, count, grid(x, from, 1, count, weights, weightsAt + column));
            }
        }
    }

    private float[] ones(int count) {
        if (ones.length < count) {
            ones = new float[count];
            Arrays.fill(ones, 1f);
        }
        return ones;
    }

    private LinearGrid grid(float[] x, int at, int rows, int columns, float[] weights, int weightsAt) {
        int count = rows * columns;
        RangeRule rule = scheme.range();
        if (rule.kind() == RangeRule.Kind.PERCENTILE && count > 0) {
            return scheme.grid(ValueCounts.range(x, at, count, scheme.symmetric(), rule.value()));
        }
        ValueRange whole = ValueRange.of(x, at, count);
        if (rule.kind() == RangeRule.Kind.CLAMP) {
            return scheme.grid(whole.within(-rule.value(), rule.value()));
        }
        if (rule.kind() == RangeRule.Kind.LEAST_ERROR) {
            search.begin(scheme, whole);
            for (int row = 0; row < rows; row++) {
                search.add(x, at + row * columns, columns, weights, weightsAt);
            }
            if (!scheme.isWholeTensor()) {
                search.refine();
                search.add(x, at, count, weights, weightsAt);
            }
            return search.best();
        }
        return scheme.grid(whole);
    }
}
