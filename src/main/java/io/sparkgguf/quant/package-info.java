/**
 * The block formats, one class each (encode, decode), and which type each tensor gets.
 *
 * <p>Inner loops live in {@code kernel}. Start at {@link io.sparkgguf.quant.BlockFormat}.
 */
package io.sparkgguf.quant;
