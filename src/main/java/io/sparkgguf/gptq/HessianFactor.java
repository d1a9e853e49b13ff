package io.sparkgguf.gptq;

import io.sparkgguf.linalg.InverseFactor;
import io.sparkgguf.linalg.NotPositiveDefiniteException;
import io.sparkgguf.linalg.Tiles;
import java.io.IOException;

/** From a sum of input products to the factor that the solver walks: damped, ordered, raised where it must be. */
public final class HessianFactor {
    private HessianFactor() {}

    /**
     * Factors a Hessian.
     *
     * @param hessian the sum of x xᵀ over tokens, upper tiles; left as it is
     * @param tokens in the sum
     * @param factor receives R, H⁻¹ = RᵀR, in the order of the summary; tiles of the same size
     * @param memory bytes that reordering may hold; more means fewer passes over the Hessian, and two tiles are always held
     * @throws io.sparkgguf.tensor.InvalidInputException when the diagonal has a negative element or one that is no number
     */
    public static HessianSummary compute(Tiles hessian, long tokens, GptqOptions options, Tiles factor, long memory)
            throws IOException {
        Factoring factoring = new Factoring(TilePanels.diagonal(hessian), tokens, options);
        if (factoring.isEmpty()) {
            return factoring.unfactored();
        }
        NotPositiveDefiniteException failure = null;
        for (int raised = 0; raised <= Factoring.RAISES; raised++) {
            TileOrder.copy(hessian, factoring.order(), factoring.ridge(raised), factor, memory);
            try {
                InverseFactor.compute(factor, factor);
                return factoring.factored(TilePanels.diagonal(factor), raised);
            } catch (NotPositiveDefiniteException e) {
                failure = e;
            }
        }
        return factoring.failed(failure.getMessage());
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
}
