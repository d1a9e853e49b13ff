package io.sparkgguf.model.tokenizer;

import io.sparkgguf.tensor.InvalidInputException;

/**
 * How text is cut before byte-level BPE.
 *
 * @param id value of {@code tokenizer.ggml.pre}
 * @param reason how it was found, for the report
 */
public record PreTokenizer(String id, String reason) {

    /**
     * The one that a user names.
     *
     * @throws InvalidInputException when llama.cpp knows none of this name; the message lists those it knows
     */
    public static PreTokenizer named(String id) {
        PreTokenizerTable table = PreTokenizerTable.load();
        if (!table.isKnown(id)) {
            throw new InvalidInputException("Cannot use the pre-tokenizer " + JsonInput.quote(id)
                    + ": llama.cpp knows none of this name; known are " + table.idList());
        }
        return new PreTokenizer(id, "named by the user");
    }
}
