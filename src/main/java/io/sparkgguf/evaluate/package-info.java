/**
 * How well a model predicts text, and how far another's predictions are from its: perplexity, Kullback-Leibler divergence
 * and their kin, from logits, with the definitions of llama-perplexity.
 *
 * <p>Of each sequence the second half is scored. Sums are double, taken in the order of tokens and sequences, so that
 * the figures do not depend on who computed which part. Knows no model, no text and no file; start at {@link
 * io.sparkgguf.evaluate.Divergence}. Facts: tools/perplexity of llama.cpp b10572.
 */
package io.sparkgguf.evaluate;
