package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * What a SentencePiece-like tokenizer.json does to text before its model sees it: its normalizer and pre-tokenizer, in
 * the terms that llama.cpp has.
 *
 * @param escapesSpaces whether spaces become U+2581
 * @param addsPrefix whether a space is put before text
 * @param firstOnly whether only before the first text, not after special tokens
 * @param onlyWhereMissing whether it is not put where text begins with a space already
 * @param mergesSpaces whether runs of spaces become one
 * @param charsmap SentencePiece's compiled normalization, empty for none
 * @param ignored steps that llama.cpp has nothing for
 */
record TextRules(
        boolean escapesSpaces,
        boolean addsPrefix,
        boolean firstOnly,
        boolean onlyWhereMissing,
        boolean mergesSpaces,
        byte[] charsmap,
        List<String> ignored) {

    private static final String SPACE = "\u2581";

    static TextRules of(FastTokenizer tokenizer) {
        boolean escapes = false;
        boolean prefix = false;
        boolean first = false;
        boolean whereMissing = false;
        boolean merges = false;
        byte[] charsmap = {};
        List<String> ignored = new ArrayList<>();
        for (JsonNode step : tokenizer.steps("normalizer", "normalizers")) {
            switch (step.path("type").asText("")) {
                case "Prepend" -> prefix |= step.path("prepend").asText("").equals(SPACE);
                case "Precompiled" -> charsmap = charsmap(tokenizer, step);
                case "Strip" -> {} // what it takes away, merging spaces takes away too
                case "Replace" -> {
                    String content = step.path("content").asText("");
                    boolean run = step.path("pattern").path("Regex").asText("").equals(" {2,}");
                    boolean space =
                            step.path("pattern").path("String").asText("").equals(" ");
                    merges |= run && (content.equals(" ") || content.equals(SPACE));
                    escapes |= (run || space) && content.equals(SPACE);
                    if (!run && !space) {
                        ignored.add("Replace "
                                + JsonInput.quote(step.path("pattern").toString()));
                    }
                }
                default -> ignored.add(step.path("type").asText("?"));
            }
        }
        for (JsonNode step : tokenizer.steps("pre_tokenizer", "pretokenizers")) {
            switch (step.path("type").asText("")) {
                case "Metaspace" -> {
                    String scheme = scheme(step);
                    escapes = true;
                    prefix |= !scheme.equals("never");
                    first |= scheme.equals("first");
                    whereMissing |= !scheme.equals("never");
                }
                case "WhitespaceSplit" -> merges = true;
                default -> ignored.add(step.path("type").asText("?"));
            }
        }
        return new TextRules(escapes, prefix, first, whereMissing, merges, charsmap, List.copyOf(ignored));
    }

    private static String scheme(JsonNode metaspace) {
        String scheme = metaspace.path("prepend_scheme").asText("");
        if (!scheme.isEmpty()) {
            return scheme;
        }
        return metaspace.path("add_prefix_space").asBoolean(true) ? "always" : "never";
    }

    private static byte[] charsmap(FastTokenizer tokenizer, JsonNode step) {
        JsonNode text = JsonInput.value(step, "precompiled_charsmap");
        try {
            return text.isTextual() ? Base64.getDecoder().decode(text.textValue()) : new byte[0];
        } catch (IllegalArgumentException e) {
            throw tokenizer.json().refuse("precompiled_charsmap is not base64");
        }
    }

    /** Says what llama.cpp will do otherwise. */
    void note(List<String> notes) {
        if (!ignored.isEmpty()) {
            notes.add("llama.cpp leaves out these steps before the model: " + String.join(", ", ignored));
        }
        if (firstOnly) {
            notes.add("transformers puts a space before the first word only, llama.cpp after each special token too");
        }
        if (onlyWhereMissing && addsPrefix && !mergesSpaces) {
            notes.add("transformers puts no space before text that begins with one, llama.cpp does");
        }
        if (mergesSpaces && !addsPrefix) {
            notes.add("transformers puts no space before the first word, llama.cpp does where it merges spaces");
        }
    }
}
