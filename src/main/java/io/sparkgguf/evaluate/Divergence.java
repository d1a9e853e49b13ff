package io.sparkgguf.evaluate;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How far a model's predictions of a text are from those of a base. Filled token by token for each sequence; sequences
 * are merged in order.
 *
 * <p>Holds four bytes for each scored token, for the quantiles.
 */
public final class Divergence implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Likelihood base = new Likelihood();
    private final Likelihood model = new Likelihood();
    private final Moments divergence = new Moments();
    private final Moments difference = new Moments(); // of the probabilities of the token that followed
    private final Moments squaredDifference = new Moments();
    private final ArrayList<float[]> divergences = new ArrayList<>();
    private double lossProducts;
    private long sameTop;

    /** Scores one sequence; {@code capacity} is the number of its scored tokens. */
    public Divergence(int capacity) {
        divergences.add(new float[capacity]);
    }

    /** Takes in one position: its distribution by the base and by the model, and the token that followed. */
    public void add(Distributions baseRows, Distributions modelRows, int row, int next) {
        double kl = baseRows.divergence(row, modelRows, row);
        divergences.get(0)[Math.toIntExact(divergence.count())] = (float) kl;
        divergence.add(kl);
        base.add(baseRows, row, next);
        model.add(modelRows, row, next);
        double baseLog = baseRows.logProbability(row, next);
        double modelLog = modelRows.logProbability(row, next);
        lossProducts += baseLog * modelLog;
        double delta = StrictMath.exp(modelLog) - StrictMath.exp(baseLog);
        difference.add(delta);
        squaredDifference.add(delta * delta);
        if (baseRows.top(row) == modelRows.top(row)) {
            sameTop++;
        }
    }

    /** Takes in the scores of the sequences that follow. */
    public void merge(Divergence later) {
        base.merge(later.base);
        model.merge(later.model);
        divergence.merge(later.divergence);
        difference.merge(later.difference);
        squaredDifference.merge(later.squaredDifference);
        divergences.addAll(later.divergences);
        lossProducts += later.lossProducts;
        sameTop += later.sameTop;
    }

    public Likelihood base() {
        return base;
    }

    public Likelihood model() {
        return model;
    }

    /** Mean KL(base || model) in nats, and its standard error. */
    public Moments kld() {
        return divergence;
    }

    /** Mean of p(model) - p(base) of the token that followed. */
    public Moments deltaP() {
        return difference;
    }

    /** Root mean square of p(model) - p(base) of the token that followed. */
    public double rmsDeltaP() {
        return Math.sqrt(squaredDifference.mean());
    }

    /** Standard error of {@link #rmsDeltaP}, to first order; 0 when there is no difference. */
    public double rmsDeltaPError() {
        double rms = rmsDeltaP();
        return rms == 0 ? 0 : 0.5 / rms * squaredDifference.error();
    }

    /** Share of positions at which both find the same token likeliest. */
    public double sameTop() {
        return (double) sameTop / divergence.count();
    }

    /** Standard error of {@link #sameTop}. */
    public double sameTopError() {
        double share = sameTop();
        return Math.sqrt(share * (1 - share) / (divergence.count() - 1));
    }

    /** ln(PPL(model) / PPL(base)). */
    public double logRatio() {
        return model.loss() - base.loss();
    }

    /** Standard error of {@link #logRatio}, which is small because both models meet the same tokens. */
    public double logRatioError() {
        long count = divergence.count();
        double covariance = (lossProducts / count - base.loss() * model.loss()) / (count - 1);
        double a = base.lossError();
        double b = model.lossError();
        return Math.sqrt(Math.max(0, a * a + b * b - 2 * covariance));
    }

    /**
     * Quantiles of KL(base || model) over tokens, between neighbours by their distance.
     *
     * @param fractions from 0, the smallest, to 1, the largest
     */
    public double[] quantiles(List<Double> fractions) {
        float[] sorted = new float[Math.toIntExact(divergence.count())];
        int at = 0;
        for (float[] part : divergences) {
            System.arraycopy(part, 0, sorted, at, part.length);
            at += part.length;
        }
        Arrays.sort(sorted);
        return fractions.stream()
                .mapToDouble(fraction -> quantile(sorted, fraction))
                .toArray();
    }

    private static double quantile(float[] sorted, double fraction) {
        double place = fraction * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }
}
