package io.sparkgguf.gptq;

import io.sparkgguf.tensor.InvalidInputException;

/**
 * What the factoring of a Hessian follows from its diagonal: the order of the columns, the damping of each attempt, and in the
 * end the summary. The factor itself is made by {@link HessianFactor} in one piece, or elsewhere in tasks.
 */
public final class Factoring {
    /** Times that lambda is multiplied by ten before rounding stays importance-weighted. */
    public static final int RAISES = 4;

    private final double[] diagonal;
    private final long tokens;
    private final Damping damping;
    private final int dead;
    private final int[] order;
    private final float[] importance;

    /**
     * @param diagonal of the sum of x xᵀ over tokens
     * @param tokens in the sum
     * @throws InvalidInputException when an element of the diagonal is negative or no finite number
     */
    public Factoring(double[] diagonal, long tokens, GptqOptions options) {
        this.diagonal = diagonal;
        this.tokens = tokens;
        damping = options.damping();
        int zeros = 0;
        for (int i = 0; i < diagonal.length; i++) {
            if (!(diagonal[i] >= 0) || Double.isInfinite(diagonal[i])) {
                throw new InvalidInputException(
                        "Cannot factor a Hessian: diagonal element " + i + " is " + diagonal[i]);
            }
            zeros += diagonal[i] == 0 ? 1 : 0;
        }
        dead = zeros;
        order = options.order().of(diagonal);
        importance = HessianFactor.importance(diagonal, tokens);
    }

    /** The column that is walked as the i-th. */
    public int[] order() {
        return order;
    }

    /** Whether there is nothing to factor, for the tokens say nothing; {@link #unfactored} then says so. */
    public boolean isEmpty() {
        return tokens == 0 || dead == diagonal.length;
    }

    /** The summary of a Hessian that is empty. */
    public HessianSummary unfactored() {
        String reason = tokens == 0 ? "no token was seen" : "the Hessian of " + tokens + " tokens is all zeros";
        return unfactored(0, reason);
    }

    /** The summary when no attempt succeeded, of which the last one failed for {@code reason}. */
    public HessianSummary failed(String reason) {
        return unfactored(
                RAISES, "the Hessian could not be factored even with a damping of " + lambda(RAISES) + ": " + reason);
    }

    private HessianSummary unfactored(int raised, String reason) {
        return new HessianSummary(
                tokens, 0, raised, dead, order, importance, importance, new float[diagonal.length], reason);
    }

    private double lambda(int raised) {
        double lambda = damping.lambda(tokens, diagonal.length);
        for (int i = 0; i < raised; i++) {
            lambda *= 10;
        }
        return lambda;
    }

    /** What is added to the diagonal, in the order of the columns, when the damping was raised so many times. */
    public double[] ridge(int raised) {
        return damping.ridge(diagonal, lambda(raised));
    }

    /**
     * The summary of a Hessian that was factored.
     *
     * @param factor the diagonal of R, in the order in which columns are walked
     */
    public HessianSummary factored(double[] factor, int raised) {
        double lambda = lambda(raised);
        double[] ridge = ridge(raised);
        float[] floats = new float[ridge.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) ridge[i];
        }
        return new HessianSummary(
                tokens, lambda, raised, dead, order, importance, conditional(factor, lambda), floats, null);
    }

    /** 1 / R_jj² per token for each column; with the diagonal rule its limit for large lambda is the importance. */
    private float[] conditional(double[] factor, double lambda) {
        double scale = damping.rule() == Damping.Rule.DIAG ? 1 + lambda : 1;
        float[] conditional = new float[order.length];
        for (int i = 0; i < order.length; i++) {
            int column = order[i];
            conditional[column] =
                    diagonal[column] == 0 ? importance[column] : (float) (1 / (factor[i] * factor[i]) / scale / tokens);
        }
        return conditional;
    }
}
