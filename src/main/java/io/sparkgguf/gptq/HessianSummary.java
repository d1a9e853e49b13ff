package io.sparkgguf.gptq;

import java.io.Serializable;
import java.util.Optional;

/**
 * What is known of a Hessian once it was factored, or could not be: everything a solve needs beside the factor, and what the
 * report says. All arrays are in the order of the weights' columns but {@code order} itself.
 *
 * @param tokens summed in the Hessian
 * @param lambda by which it was damped at last; 0 when it was not factored
 * @param raised times that lambda was multiplied by ten because the Hessian was not positive definite
 * @param deadColumns whose diagonal element is 0
 * @param order the column walked as the i-th
 * @param importance the diagonal over tokens, what importance-weighted rounding takes; dead columns have the least of the others
 * @param conditional 1 / R_jj² over tokens and without the damping's share, or {@code importance} without a factor
 * @param ridge what was added to the diagonal
 * @param unfactored why there is no factor, so that rounding stays importance-weighted; null when there is one
 */
public record HessianSummary(
        long tokens,
        double lambda,
        int raised,
        int deadColumns,
        int[] order,
        float[] importance,
        float[] conditional,
        float[] ridge,
        String unfactored)
        implements Serializable {

    /** Why there is no factor, empty when there is one. */
    public Optional<String> fallback() {
        return Optional.ofNullable(unfactored);
    }

    /** {@code importance^(1 - share) * conditional^share} of each column; with a share of 0 the importance itself. */
    float[] importance(double share) {
        if (share == 0) {
            return importance;
        }
        float[] mixed = new float[importance.length];
        for (int i = 0; i < mixed.length; i++) {
            mixed[i] = (float) (importance[i] * StrictMath.pow((double) conditional[i] / importance[i], share));
        }
        return mixed;
    }

    /** Columns of the Hessian. */
    public int columns() {
        return order.length;
    }
}
