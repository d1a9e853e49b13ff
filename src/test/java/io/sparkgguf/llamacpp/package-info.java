/**
 * A real llama.cpp for tests, run by node from {@code src/test/node}: logits, tokens and text of a GGUF file, and how
 * far they are from what was expected.
 *
 * <p>Knows nothing of how a file was made. Start at {@link io.sparkgguf.llamacpp.LlamaCpp}.
 */
package io.sparkgguf.llamacpp;
