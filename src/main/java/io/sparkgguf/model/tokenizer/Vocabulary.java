package io.sparkgguf.model.tokenizer;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * One text, type and score for each row of the embedding, filled in by id. Rows that no token claims become unused
 * {@code [PADi]}.
 */
final class Vocabulary {
    /** Score of added tokens, as llama.cpp's converter gives it. */
    static final float ADDED_SCORE = -1000f;

    private static final float PADDING_SCORE = -10000f;

    private final String file;
    private final String[] texts;
    private final TokenType[] types;
    private final float[] scores;

    /** @param file that the tokens come from, for messages @param size rows of the embedding */
    Vocabulary(String file, int size) {
        this.file = file;
        this.texts = new String[size];
        this.types = new TokenType[size];
        this.scores = new float[size];
        Arrays.fill(scores, PADDING_SCORE);
    }

    /** Puts a token at a row that is free. */
    void add(int id, String text, TokenType type, float score) {
        check(id, text);
        if (texts[id] != null) {
            throw refuse("the id " + id + " is given to both " + JsonInput.quote(texts[id]) + " and "
                    + JsonInput.quote(text));
        }
        replace(id, text, type, score);
    }

    /** Puts a token at a row, whatever it held. */
    void replace(int id, String text, TokenType type, float score) {
        check(id, text);
        if (!Float.isFinite(score)) {
            throw refuse("token " + JsonInput.quote(text) + " has the score " + score);
        }
        texts[id] = text;
        types[id] = type;
        scores[id] = score;
    }

    private void check(int id, String text) {
        if (id < 0) {
            throw refuse("token " + JsonInput.quote(text) + " has the id " + id);
        }
        if (id >= texts.length) {
            throw refuse("token " + JsonInput.quote(text) + " has the id " + id + ", but the embedding has "
                    + texts.length + " rows");
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean paired = Character.isHighSurrogate(c)
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1));
            if (paired) {
                i++;
            } else if (Character.isSurrogate(c)) {
                throw refuse("the token of id " + id + " holds half a surrogate pair, which is no text");
            }
        }
    }

    /** Text of a row, or null when no token has claimed it. */
    String text(int id) {
        return texts[id];
    }

    /** Type of a row, or null when no token has claimed it. */
    TokenType type(int id) {
        return types[id];
    }

    /**
     * Writes tokens, types and, when asked, scores.
     *
     * @throws io.sparkgguf.tensor.InvalidInputException when two rows have one text, which llama.cpp cannot load
     */
    void write(Metadata metadata, boolean withScores) {
        Map<String, Integer> seen = new HashMap<>(texts.length * 2);
        int[] codes = new int[texts.length];
        for (int id = 0; id < texts.length; id++) {
            if (texts[id] == null) {
                texts[id] = "[PAD" + id + ']';
                types[id] = TokenType.UNUSED;
            }
            Integer other = seen.putIfAbsent(asLoaded(id), id);
            if (other != null) {
                throw refuse("tokens " + other + " and " + id + " are both " + JsonInput.quote(texts[id]));
            }
            codes[id] = types[id].code();
        }
        metadata.putStrings("tokenizer.ggml.tokens", Arrays.asList(texts));
        if (withScores) {
            metadata.put("tokenizer.ggml.scores", MetadataValue.Numbers.ofFloats(scores));
        }
        metadata.put("tokenizer.ggml.token_type", MetadataValue.Numbers.ofInts(MetadataType.I32, codes));
    }

    /** What llama.cpp makes of the text: it ends at a NUL, and an empty one gets a name. */
    private String asLoaded(int id) {
        int nul = texts[id].indexOf('\0');
        String text = nul < 0 ? texts[id] : texts[id].substring(0, nul);
        return text.isEmpty() ? "[EMPTY_" + id + ']' : text;
    }

    private RuntimeException refuse(String reason) {
        return JsonInput.refuse(file, reason);
    }
}
