package io.sparkgguf.calibrate.text;

/** How documents become sequences of one length. What does not fill a sequence at the very end is dropped. */
public enum Packing {
    /**
     * Documents in an order that follows from the seed, each begun and ended with the tokens that the model adds to
     * text (no second one where the document has it), joined without a gap and cut into sequences. The last token of a
     * document is masked: what the model makes of it, it makes of a text that goes on elsewhere.
     */
    DOCUMENTS,

    /**
     * As llama-imatrix and llama-perplexity do: the documents in order of name, as one text that is begun once (a plain
     * text file without its final line feed), cut into sequences; then the first token of each sequence is replaced by
     * the one that begins text, if the model adds one. Nothing is masked. Special tokens that a text spells out become their
     * ids, which those tools do only when asked to.
     */
    LLAMA
}
