/**
 * Linear schemes, the ones introductions teach: INT8 to INT2, symmetric and asymmetric, per tensor, row and group, with
 * ranges by min/max, clamp, percentile, or the clip of least (importance-weighted) squared error. They are measured and
 * compared here; no file format holds them.
 *
 * <p>Start at {@link io.sparkgguf.quant.linear.SchemeName}, which reads the names of all schemes, GGUF's types among them,
 * and {@link io.sparkgguf.quant.linear.LinearScheme}.
 *
 * <p>Source: closed forms as in Krishnamoorthi, Quantizing deep convolutional networks for efficient inference (2018), and
 * Dettmers et al., LLM.int8() (2022).
 */
package io.sparkgguf.quant.linear;
