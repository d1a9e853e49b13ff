package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkgguf.tensor.Metadata;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * SentencePiece BPE as llama.cpp's {@code llama} tokenizer: neighbours whose joined text is a token are joined, the
 * best score first; what is no token in the end becomes bytes.
 */
final class SentencePieceVocabulary {
    private static final Pattern BYTE = Pattern.compile("<0x[0-9A-Fa-f]{2}>");

    private SentencePieceVocabulary() {}

    /** Whether the text is that of a token for one byte, {@code <0x0A>}. */
    static boolean isByte(String text) {
        return BYTE.matcher(text).matches();
    }

    /** Puts the pieces of a tokenizer.model at their places. */
    static void addPieces(Vocabulary vocabulary, SentencePieceModel model) {
        int id = 0;
        for (SentencePieceModel.Piece piece : model.pieces()) {
            boolean user = piece.type() == TokenType.USER_DEFINED;
            // llama.cpp looks for user-defined text before it escapes spaces.
            vocabulary.add(
                    id++,
                    user ? piece.text().replace('\u2581', ' ') : piece.text(),
                    piece.type(),
                    user ? Vocabulary.ADDED_SCORE : piece.score());
        }
    }

    /** @param config tokenizer_config.json, which may overrule whether a space is put before text */
    static void writeModel(Metadata metadata, SentencePieceModel model, JsonInput config, List<String> notes) {
        if (!model.byteFallback()) {
            notes.add("tokenizer.model has no byte tokens; llama.cpp fails on characters that are not in it");
        }
        if (model.charsmap().length > 0 || model.removeExtraWhitespaces()) {
            notes.add("tokenizer.model normalizes text or merges spaces, llama.cpp does not");
        }
        JsonNode prefix = config.get("add_prefix_space");
        write(metadata, prefix.isBoolean() ? prefix.booleanValue() : model.addDummyPrefix());
    }

    /**
     * A tokenizer.json of BPE with byte fallback. Its merges become scores.
     *
     * @throws io.sparkgguf.tensor.InvalidInputException when it is of a kind that llama.cpp has no tokenizer for
     */
    static void writeJson(Metadata metadata, Vocabulary vocabulary, FastTokenizer tokenizer, List<String> notes) {
        TextRules rules = TextRules.of(tokenizer);
        if (!rules.escapesSpaces() || !tokenizer.byteFallback()) {
            throw tokenizer
                    .json()
                    .refuse("its BPE is neither byte-level nor of SentencePiece's kind ("
                            + (rules.escapesSpaces() ? "no byte fallback" : "spaces do not become U+2581")
                            + "), for which llama.cpp has no tokenizer");
        }
        Map<String, Integer> ids = tokenizer.vocabulary();
        for (int value = 0; value < 256; value++) {
            String token = String.format("<0x%02X>", value);
            if (!ids.containsKey(token)) {
                throw tokenizer.json().refuse("it falls back on bytes, but the token " + token + " is missing");
            }
        }
        Merges merges = Merges.read(tokenizer.json(), tokenizer.modelNode().path("merges"), ids);
        float[] scores = merges.scores();
        Set<String> others = new HashSet<>();
        tokenizer.added().forEach(token -> others.add(token.content()));
        String unknown = JsonInput.value(tokenizer.modelNode(), "unk_token").asText("");
        ids.forEach((text, id) -> {
            if (!others.contains(text)) {
                boolean isByte = isByte(text);
                TokenType type = isByte ? TokenType.BYTE : text.equals(unknown) ? TokenType.UNKNOWN : TokenType.NORMAL;
                vocabulary.add(id, text, type, isByte ? 0 : scores[id]);
            }
        });
        ids.keySet().stream()
                .filter(text -> isByte(text) || text.equals(unknown))
                .forEach(others::add);
        int otherwise = merges.madeOtherwise(others);
        if (otherwise > 0) {
            notes.add(otherwise + " of " + ids.size()
                    + " tokens can be put together in ways that are no merge of tokenizer.json: llama.cpp may cut some"
                    + " words otherwise");
        }
        rules.note(notes);
        write(metadata, rules.addsPrefix());
    }

    private static void write(Metadata metadata, boolean addSpacePrefix) {
        metadata.putString("tokenizer.ggml.model", "llama");
        metadata.putString("tokenizer.ggml.pre", "default");
        metadata.putBool("tokenizer.ggml.add_space_prefix", addSpacePrefix);
    }
}
