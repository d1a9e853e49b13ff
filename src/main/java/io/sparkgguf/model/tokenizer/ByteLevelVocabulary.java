package io.sparkgguf.model.tokenizer;

import io.sparkgguf.tensor.Metadata;
import java.util.HashSet;
import java.util.Set;

/** Byte-level BPE as llama.cpp's {@code gpt2} tokenizer: tokens and merges in the alphabet of visible bytes. */
final class ByteLevelVocabulary {
    private ByteLevelVocabulary() {}

    /**
     * Puts the model's tokens at their places.
     *
     * @return the merges, still to be written after the tokens
     */
    static Merges addTokens(Vocabulary vocabulary, FastTokenizer tokenizer) {
        Set<String> added = new HashSet<>();
        tokenizer.added().forEach(token -> added.add(token.content()));
        tokenizer.vocabulary().forEach((text, id) -> {
            if (!added.contains(text)) {
                vocabulary.add(id, text, TokenType.NORMAL, 0);
            }
        });
        Merges merges = Merges.read(tokenizer.json(), tokenizer.modelNode().path("merges"), tokenizer.vocabulary());
        if (merges.count() == 0) {
            throw tokenizer.json().refuse("it has no merges, without which llama.cpp loads no BPE");
        }
        return merges;
    }

    static void write(Metadata metadata, PreTokenizer preTokenizer) {
        metadata.putString("tokenizer.ggml.model", "gpt2");
        metadata.putString("tokenizer.ggml.pre", preTokenizer.id());
    }
}
