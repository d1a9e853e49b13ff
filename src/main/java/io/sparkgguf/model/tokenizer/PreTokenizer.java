package io.sparkgguf.model.tokenizer;

/**
 * How text is cut before byte-level BPE.
 *
 * @param id value of {@code tokenizer.ggml.pre}
 * @param reason how it was found, for the report
 */
public record PreTokenizer(String id, String reason) {}
