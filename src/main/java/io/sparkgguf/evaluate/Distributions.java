package io.sparkgguf.evaluate;

import io.sparkgguf.kernel.Exponential;
import io.sparkgguf.kernel.Finite;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Arrays;

/**
 * Next-token distributions: softmax of some rows of logits. Made once and filled again for every slab of tokens.
 *
 * <p>Exponentials are float32, relative to the largest logit; sums and logarithms are double.
 */
public final class Distributions {
    /** Partial sums of a row: element i goes to sum i % LANES. Keeps a core busy, and is the same on every core. */
    static final int LANES = 8;

    private final int vocabulary;
    private final float[] logits;
    private final float[] weights;
    private final float[] shift;
    private final double[] sums;
    private final double[] normalizers;
    private final int[] tops;

    /**
     * @param rows the most that it will hold
     * @param vocabulary tokens of a row
     */
    public Distributions(int rows, int vocabulary) {
        this.vocabulary = vocabulary;
        logits = new float[Math.multiplyExact(rows, vocabulary)];
        weights = new float[logits.length];
        shift = new float[vocabulary];
        sums = new double[rows];
        normalizers = new double[rows];
        tops = new int[rows];
    }

    /** Bytes that a row takes. */
    public static long rowBytes(int vocabulary) {
        return 2L * Float.BYTES * vocabulary + 2 * Double.BYTES + Integer.BYTES;
    }

    /** Where the logits go, row after row from index 0, before {@link #normalize}. */
    public float[] logits() {
        return logits;
    }

    public int vocabulary() {
        return vocabulary;
    }

    /**
     * Turns the first {@code rows} rows of logits into distributions.
     *
     * @param model how a complaint calls the model
     * @throws InvalidInputException when a logit is not finite
     */
    public void normalize(int rows, String model) {
        int damaged = Finite.firstNonFinite(logits, 0, Math.multiplyExact(rows, vocabulary));
        if (damaged >= 0) {
            throw new InvalidInputException("Cannot evaluate " + model + ": its logit for token " + damaged % vocabulary
                    + " is " + logits[damaged]);
        }
        for (int row = 0; row < rows; row++) {
            normalize(row);
        }
    }

    private void normalize(int row) {
        int from = row * vocabulary;
        int end = from + vocabulary;
        int top = from;
        for (int i = from + 1; i < end; i++) {
            if (logits[i] > logits[top]) { // the first of equals
                top = i;
            }
        }
        float largest = logits[top];
        Arrays.fill(shift, largest);
        Exponential.ofDifference(logits, from, shift, 0, vocabulary, weights, from);
        double[] partial = new double[LANES];
        for (int i = 0; i < vocabulary; i++) {
            partial[i % LANES] += weights[from + i];
        }
        double sum = Arrays.stream(partial).reduce(0, Double::sum); // plain, in order: sum() would compensate
        tops[row] = top - from;
        sums[row] = sum;
        normalizers[row] = largest + StrictMath.log(sum);
    }

    /** The likeliest token; the first of equals. */
    public int top(int row) {
        return tops[row];
    }

    /** ln p(token), at most 0 up to rounding. */
    public double logProbability(int row, int token) {
        return logits[row * vocabulary + token] - normalizers[row];
    }

    /** KL(this || other) of one row of each, in nats; 0 up to rounding when they agree. */
    double divergence(int row, Distributions other, int otherRow) {
        int a = row * vocabulary;
        int b = otherRow * vocabulary;
        double shift = normalizers[row] - other.normalizers[otherRow];
        double[] partial = new double[LANES];
        for (int i = 0; i < vocabulary; i++) {
            partial[i % LANES] += weights[a + i] * ((double) logits[a + i] - other.logits[b + i] - shift);
        }
        return Arrays.stream(partial).reduce(0, Double::sum) / sums[row];
    }
}
