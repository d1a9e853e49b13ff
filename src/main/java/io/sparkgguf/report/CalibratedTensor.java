package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;

/**
 * What calibration made of a tensor.
 *
 * @param method {@code gptq}, {@code imatrix} or {@code rtn}: what its bytes are the result of
 * @param fallback why it is not what was asked for, or null
 * @param tokens in the Hessian of its input
 * @param heldOutTokens in the one that judged
 * @param damping lambda of the factored Hessian, or null
 * @param dampingRaised times that lambda was multiplied by ten, or null for none
 * @param deadColumns columns whose input is always zero, or null for none
 * @param training relative errors of the layer's output on the tokens that made the result, or null when not solved
 * @param heldOut the same on tokens that did not
 * @param trainingTowardsOriginal where targets were corrected: the errors of the outputs as they now are against the original
 *     model's, {@code (tr(D H Dᵀ) - 2 tr(D (W Δ)ᵀ)) / tr(W H Wᵀ)}; what all ways of rounding share is left out, so that a
 *     figure may be negative. Else null
 * @param heldOutTowardsOriginal the same on tokens that did not make the result; where it is there, it decides
 * @param seconds of one core in the solver
 * @param gflops billions of floating-point operations of the solver per second
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record CalibratedTensor(
        String method,
        String fallback,
        long tokens,
        long heldOutTokens,
        Double damping,
        Integer dampingRaised,
        Integer deadColumns,
        Errors training,
        Errors heldOut,
        Errors trainingTowardsOriginal,
        Errors heldOutTowardsOriginal,
        Double seconds,
        Double gflops) {

    /** tr(D H Dᵀ) / tr(W H Wᵀ), D being what each way of rounding changes. */
    public record Errors(double rtn, double imatrix, double gptq) {}
}
