package io.sparkgguf.quant.linear;

import io.sparkgguf.kernel.GridErrors;

/**
 * Looks for the clip of least squared error, weighted where there is an importance: both ends of the range times {@code
 * 2^(-i / 16)} for i from 0 to 95, the first of equals. Of rows and groups there is a second look, 48 times as fine, around
 * the best; of whole tensors the error is smooth enough. A clip is taken only if it is better than none by more than the
 * sums may be wrong, so none is ever worse than min/max.
 *
 * <p>Sums of parts of a tensor may be added, in a fixed order.
 */
public final class ClipSearch {
    /** How many clips are tried at once; a multiple of the lanes of all vectors. */
    static final int CANDIDATES = 96;

    private static final double STEPS_PER_OCTAVE = 16;
    /** What both sums may be wrong by, relatively; see {@link GridErrors}. */
    private static final double DOUBT = 1e-5;

    private static final double[] FACTORS = new double[CANDIDATES];
    private static final double[] FINE_FACTORS = new double[CANDIDATES];

    static {
        for (int i = 0; i < CANDIDATES; i++) {
            FACTORS[i] = StrictMath.pow(2, -i / STEPS_PER_OCTAVE);
            FINE_FACTORS[i] = StrictMath.pow(2, (1 - 2.0 * i / CANDIDATES) / STEPS_PER_OCTAVE);
        }
    }

    private final float[] scales = new float[CANDIDATES];
    private final float[] lows = new float[CANDIDATES];
    private final float[] highs = new float[CANDIDATES];
    private final double[] sums = new double[CANDIDATES];
    private LinearScheme scheme;
    private ValueRange whole;
    private double factor;
    private LinearGrid unclipped;
    private LinearGrid best;
    private double unclippedSum;
    private double bestSum;

    /** Begins anew with clips of a range. */
    public ClipSearch begin(LinearScheme by, ValueRange range) {
        scheme = by;
        whole = range;
        factor = 1;
        best = null;
        set(FACTORS);
        unclipped = grid(0);
        return this;
    }

    /** Goes on with clips around the best so far; the numbers are to be added once more. */
    void refine() {
        look();
        set(FINE_FACTORS);
    }

    private void set(double[] factors) {
        for (int i = 0; i < CANDIDATES; i++) {
            LinearGrid grid = scheme.grid(whole.times(Math.min(1, factor * factors[i])));
            scales[i] = grid.scale();
            lows[i] = grid.low();
            highs[i] = grid.high();
            sums[i] = 0;
        }
    }

    private LinearGrid grid(int i) {
        return new LinearGrid(scales[i], (int) lows[i], (int) highs[i]);
    }

    /** Takes the best of this round if it is better than that of the round before. */
    private void look() {
        int least = 0;
        for (int i = 1; i < CANDIDATES; i++) {
            if (scales[i] > 0 && sums[i] < sums[least]) {
                least = i;
            }
        }
        if (best == null) {
            unclippedSum = sums[0];
            factor = FACTORS[least];
        }
        if (best == null || sums[least] < bestSum) {
            best = grid(least);
            bestSum = sums[least];
        }
    }

    /**
     * Adds the errors of finite numbers.
     *
     * @param weights what each number's error counts, finite and not negative
     */
    public void add(float[] x, int at, int count, float[] weights, int weightsAt) {
        if (scales[0] == 0) {
            return; // all zero
        }
        GridErrors.add(x, at, count, weights, weightsAt, scales, lows, highs, CANDIDATES, sums);
    }

    /** The sums so far, by clip; a copy. */
    public double[] sums() {
        return sums.clone();
    }

    /** Adds the sums of another part. */
    public void add(double[] others) {
        for (int i = 0; i < CANDIDATES; i++) {
            sums[i] += others[i];
        }
    }

    /** The grid of the best clip. */
    public LinearGrid best() {
        look();
        return bestSum < unclippedSum * (1 - DOUBT) ? best : unclipped;
    }
}
