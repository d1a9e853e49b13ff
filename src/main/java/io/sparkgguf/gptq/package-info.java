/**
 * GPTQ onto the grids of GGUF's block formats: damping, column order, the column loop with error feedback, refinement in the
 * Hessian's metric, targets that make up for earlier layers, errors, and the guard that decides per tensor.
 *
 * <p>It knows weights, Hessians and block formats, and neither models nor files: Hessians and factors come panel by panel
 * through {@link io.sparkgguf.gptq.HessianRows} and {@link io.sparkgguf.gptq.FactorPanels}. Start at {@link
 * io.sparkgguf.gptq.RowSolver}; what it needs is made once per Hessian by {@link io.sparkgguf.gptq.HessianFactor}.
 *
 * <p>Source: Frantar et al., GPTQ (2022), in the triangular form that needs one factor R with H⁻¹ = RᵀR. What is not from
 * there: scales stay those of the importance-weighted search, by the diagonal and the conditional importance; damping is
 * relative to each diagonal element; sweeps look again at levels, codes and scales. {@code docs/calibration.md} has the formulas.
 */
package io.sparkgguf.gptq;
