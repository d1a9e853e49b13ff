/**
 * Symmetric and triangular matrices in square tiles, in float64, and the factor that GPTQ needs of a Hessian. No matrix has
 * to fit into memory, nor into one array: {@link io.sparkgguf.linalg.Tiles} says where tiles live.
 *
 * <p>Start at {@link io.sparkgguf.linalg.InverseFactor}; {@link io.sparkgguf.linalg.FactorRounds} is the same for many tasks. The
 * products of tiles are {@code kernel}'s; what a Hessian is, and how it is damped, {@code gptq} knows.
 */
package io.sparkgguf.linalg;
