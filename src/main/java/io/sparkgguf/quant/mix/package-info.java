/**
 * Which type each tensor gets: the file types that a user names, the mixes behind them, overrides, substitutes for rows
 * that do not divide into blocks, and what all of it will weigh.
 *
 * <p>The rules are those of llama-quantize (llama.cpp b10572), so that a file of one name has the same types wherever it was
 * made. Different on purpose: a substituted type is always told and can be forbidden, patterns keep their case, and what
 * cannot work is refused before anything runs. Holds no encoder and reads no file; metadata and importance filters given
 * on the command line are parsed here too.
 *
 * <p>Start at {@link io.sparkgguf.quant.mix.TypeSelector}; the mixes themselves are in {@code Mix}. Types by the size of the
 * file are another matter: {@link io.sparkgguf.quant.mix.Contest} finds what may be chosen, and
 * {@link io.sparkgguf.quant.mix.Allocation} chooses; what types cost is measured elsewhere.
 */
package io.sparkgguf.quant.mix;
