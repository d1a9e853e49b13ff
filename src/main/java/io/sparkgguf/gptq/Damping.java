package io.sparkgguf.gptq;

import java.io.Serializable;

/**
 * What is added to a Hessian's diagonal before it is factored, so that few tokens or dependent inputs do no harm.
 *
 * <p>{@code lambda = max(constant, perToken * columns / tokens)}: the fewer tokens were seen for the columns there are, the
 * more the columns are treated as independent. As lambda grows without bound, GPTQ becomes importance-weighted rounding.
 *
 * @param rule what lambda is relative to
 * @param constant the least lambda, above 0
 * @param perToken the factor of columns / tokens, 0 or above
 */
public record Damping(Rule rule, double constant, double perToken) implements Serializable {

    /** Relative to each diagonal element; found best on K-quant grids with natural inputs. */
    public static final Damping DIAGONAL = new Damping(Rule.DIAG, 0.03, 2);

    /** A hundredth of the mean of the diagonal, as most tools have it. */
    public static final Damping CLASSIC = new Damping(Rule.MEAN, 0.01, 0);

    /** What lambda multiplies. */
    public enum Rule {
        /** Each element of the diagonal: H + lambda diag(H). */
        DIAG,
        /** The mean of the diagonal: H + lambda mean(diag(H)) I. */
        MEAN
    }

    /** Checks the ranges. */
    public Damping {
        if (!(constant > 0) || Double.isInfinite(constant)) {
            throw new IllegalArgumentException(
                    "Cannot damp with a constant of " + constant + ": it must be a finite number above 0");
        }
        if (!(perToken >= 0) || Double.isInfinite(perToken)) {
            throw new IllegalArgumentException(
                    "Cannot damp with " + perToken + " per token: it must be a finite number of at least 0");
        }
    }

    /** The lambda for a Hessian of so many columns from so many tokens, at least one. */
    public double lambda(long tokens, int columns) {
        if (tokens < 1) {
            throw new IllegalArgumentException("Cannot damp a Hessian of " + tokens + " tokens: at least 1 is needed");
        }
        return Math.max(constant, perToken * columns / tokens);
    }

    /**
     * What is to be added to each diagonal element. A dead column, whose element is 0, gets 1: it is bound to no other, so
     * the number does not matter as long as it can be factored.
     */
    public double[] ridge(double[] diagonal, double lambda) {
        double mean = 0;
        for (double element : diagonal) {
            mean += element;
        }
        mean /= diagonal.length;
        double[] ridge = new double[diagonal.length];
        for (int i = 0; i < ridge.length; i++) {
            double base = rule == Rule.DIAG ? diagonal[i] : mean;
            ridge[i] = diagonal[i] == 0 ? 1 : lambda * base;
        }
        return ridge;
    }
}
