package io.sparkgguf.evaluate;

import java.io.Serializable;

/** How likely a model finds a text: negative log-likelihoods of its scored tokens. */
public final class Likelihood implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Moments loss = new Moments();

    /** Takes in one position: {@code next} is the token that followed. */
    public void add(Distributions model, int row, int next) {
        loss.add(-model.logProbability(row, next));
    }

    /** Takes in the scores of the sequences that follow. */
    public void merge(Likelihood later) {
        loss.merge(later.loss);
    }

    /** Scored tokens. */
    public long tokens() {
        return loss.count();
    }

    /** Mean of -ln p(next token), in nats. */
    public double loss() {
        return loss.mean();
    }

    /** exp(mean of -ln p(next token)). */
    public double perplexity() {
        return StrictMath.exp(loss.mean());
    }

    /** Standard error of {@link #perplexity}, to first order. */
    public double perplexityError() {
        return perplexity() * loss.error();
    }

    double lossError() {
        return loss.error();
    }
}
