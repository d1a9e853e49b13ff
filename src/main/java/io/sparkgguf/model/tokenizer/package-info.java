/**
 * The tokenizer of a Hugging Face folder as the {@code tokenizer.*} keys of a GGUF file, such that llama.cpp splits
 * text into the ids that transformers does.
 *
 * <p>Three kinds come out: byte-level BPE ({@code gpt2}, from tokenizer.json), SentencePiece BPE ({@code llama}, from
 * tokenizer.model or a tokenizer.json with byte fallback) and Unigram ({@code t5}, from either). What llama.cpp cannot
 * do as transformers does is refused, or said in a note. Source of the rules: llama.cpp's vocabulary loader and converter,
 * and the Hugging Face tokenizers library, which also is what encodes text for calibration and evaluation.
 *
 * <p>Start at {@link io.sparkgguf.model.tokenizer.TokenizerMetadata}, for text at {@link
 * io.sparkgguf.model.tokenizer.TextTokenizer}.
 */
package io.sparkgguf.model.tokenizer;
