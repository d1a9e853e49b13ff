/**
 * The block formats, one class each (encode, decode), and which type each tensor gets.
 *
 * <p>Inner loops live in {@code kernel}. Start at {@link io.sparkgguf.quant.BlockFormat}; {@link
 * io.sparkgguf.quant.BlockFormats} lists them all. {@link io.sparkgguf.quant.GridFormat} is for solvers that choose levels
 * themselves. {@link io.sparkgguf.quant.ErrorStats} measures what encoding lost.
 * The linear schemes that no file holds are in {@link io.sparkgguf.quant.linear}.
 */
package io.sparkgguf.quant;
