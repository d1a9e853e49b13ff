package io.sparkgguf.gptq;

import io.sparkgguf.linalg.InverseFactor;
import io.sparkgguf.linalg.NotPositiveDefiniteException;
import io.sparkgguf.linalg.Tiles;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;

/** From a sum of input products to the factor that the solver walks: damped, ordered, raised where it must be. */
public final class HessianFactor {
    /** Times that lambda is multiplied by ten before rounding stays importance-weighted. */
    static final int RAISES = 4;

    private HessianFactor() {}

    /**
     * Factors a Hessian.
     *
     * @param hessian the sum of x xᵀ over tokens, upper tiles; left as it is
     * @param tokens in the sum
     * @param factor receives R, H⁻¹ = RᵀR, in the order of the summary; tiles of the same size
     * @param memory bytes that reordering may hold; more means fewer passes over the Hessian, and two tiles are always held
     * @throws InvalidInputException when the diagonal has a negative element or one that is no number
     */
    public static HessianSummary compute(Tiles hessian, long tokens, GptqOptions options, Tiles factor, long memory)
            throws IOException {
        double[] diagonal = TilePanels.diagonal(hessian);
        int dead = 0;
        for (int i = 0; i < diagonal.length; i++) {
            if (!(diagonal[i] >= 0) || Double.isInfinite(diagonal[i])) {
                throw new InvalidInputException(
                        "Cannot factor a Hessian: diagonal element " + i + " is " + diagonal[i]);
            }
            dead += diagonal[i] == 0 ? 1 : 0;
        }
        int[] order = options.order().of(diagonal);
        float[] importance = importance(diagonal, tokens);
        if (tokens == 0 || dead == diagonal.length) {
            String reason = tokens == 0 ? "no token was seen" : "the Hessian of " + tokens + " tokens is all zeros";
            return new HessianSummary(
                    tokens, 0, 0, dead, order, importance, importance, new float[diagonal.length], reason);
        }
        Damping damping = options.damping();
        double lambda = damping.lambda(tokens, diagonal.length);
        NotPositiveDefiniteException failure = null;
        for (int raised = 0; raised <= RAISES; raised++) {
            double[] ridge = damping.ridge(diagonal, lambda);
            TileOrder.copy(hessian, order, ridge, factor, memory);
            try {
                InverseFactor.compute(factor, factor);
                float[] conditional =
                        conditional(TilePanels.diagonal(factor), order, diagonal, damping, lambda, tokens, importance);
                return new HessianSummary(
                        tokens, lambda, raised, dead, order, importance, conditional, floats(ridge), null);
            } catch (NotPositiveDefiniteException e) {
                failure = e;
                lambda *= 10;
            }
        }
        return new HessianSummary(
                tokens,
                0,
                RAISES,
                dead,
                order,
                importance,
                importance,
                new float[diagonal.length],
                "the Hessian could not be factored even with a damping of " + lambda / 10 + ": "
                        + failure.getMessage());
    }

    /**
     * The importance of each column: the diagonal over tokens. A dead column has the least of the others, or 1 when all are
     * dead, so that a block of dead columns is still rounded like any other.
     */
    public static float[] importance(double[] diagonal, long tokens) {
        float[] importance = new float[diagonal.length];
        float least = Float.POSITIVE_INFINITY;
        for (int i = 0; i < importance.length; i++) {
            importance[i] = (float) (diagonal[i] / Math.max(1, tokens));
            if (importance[i] > 0) {
                least = Math.min(least, importance[i]);
            }
        }
        for (int i = 0; i < importance.length; i++) {
            if (importance[i] == 0) {
                importance[i] = least == Float.POSITIVE_INFINITY ? 1 : least;
            }
        }
        return importance;
    }

    /** 1 / R_jj² per token for each column; with the diagonal rule its limit for large lambda is the importance. */
    private static float[] conditional(
            double[] factor,
            int[] order,
            double[] diagonal,
            Damping damping,
            double lambda,
            long tokens,
            float[] importance) {
        double scale = damping.rule() == Damping.Rule.DIAG ? 1 + lambda : 1;
        float[] conditional = new float[order.length];
        for (int i = 0; i < order.length; i++) {
            int column = order[i];
            conditional[column] =
                    diagonal[column] == 0 ? importance[column] : (float) (1 / (factor[i] * factor[i]) / scale / tokens);
        }
        return conditional;
    }

    private static float[] floats(double[] x) {
        float[] y = new float[x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = (float) x[i];
        }
        return y;
    }
}
