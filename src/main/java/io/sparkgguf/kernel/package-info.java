/**
 * The inner loops, in the Vector API, each beside the scalar twin that defines it.
 *
 * <p>A twin and its vector form give the same bits on every JDK and vector width. Kernels work on arrays with offsets and
 * check nothing: the fronts in {@code quant} do. Start at {@link io.sparkgguf.kernel.Lanes}.
 */
package io.sparkgguf.kernel;
