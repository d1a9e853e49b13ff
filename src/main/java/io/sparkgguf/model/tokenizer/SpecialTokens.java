package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkgguf.tensor.Metadata;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToIntFunction;

/**
 * Which tokens begin, end, pad and part text, and which of them the tokenizer adds by itself.
 *
 * <p>A token is named in tokenizer_config.json (or special_tokens_map.json) by its text, else in config.json, else in
 * generation_config.json by its id; the first that has it counts. What is added follows from tokenizer.json's
 * post-processor, else from tokenizer_config.json.
 */
final class SpecialTokens {
    private static final Map<String, String> KEYS = keys();

    private final Map<String, String> texts = new LinkedHashMap<>();
    private final Map<String, Boolean> adds = new HashMap<>();
    private final List<String> notes;

    SpecialTokens(JsonInput tokenizerConfig, JsonInput specialTokensMap, List<String> notes) {
        this.notes = notes;
        for (String name : KEYS.keySet()) {
            String text = tokenizerConfig.tokenText(name + "_token");
            text = text == null ? specialTokensMap.tokenText(name + "_token") : text;
            if (text != null) {
                texts.put(name, text);
            }
        }
        fill("bos", texts.get("cls"));
        fill("eos", texts.get("sep"));
    }

    private void fill(String name, String text) {
        if (text != null) {
            texts.putIfAbsent(name, text);
        }
    }

    /** Texts of all tokens that the configuration names as special. */
    Set<String> named(JsonInput tokenizerConfig) {
        Set<String> named = new LinkedHashSet<>(texts.values());
        for (JsonNode token : tokenizerConfig.get("additional_special_tokens")) {
            JsonNode text = token.isObject() ? token.path("content") : token;
            if (text.isTextual()) {
                named.add(text.textValue());
            }
        }
        return named;
    }

    /** Takes over what the post-processor of a tokenizer.json adds. */
    void readPostProcessor(FastTokenizer tokenizer) {
        for (JsonNode step : tokenizer.steps("post_processor", "processors")) {
            switch (step.path("type").asText("")) {
                case "ByteLevel" -> {
                    adds.putIfAbsent("bos", false);
                    adds.putIfAbsent("eos", false);
                }
                case "RobertaProcessing" -> {
                    List.of("bos", "eos", "sep").forEach(name -> adds.put(name, true));
                    fill("cls", step.path("cls").path(0).textValue());
                    fill("sep", step.path("sep").path(0).textValue());
                    fill("bos", texts.get("cls"));
                    fill("eos", texts.get("sep"));
                }
                case "TemplateProcessing" -> readTemplate(step.path("single"), step.path("pair"));
                default ->
                    notes.add("llama.cpp knows no post-processor "
                            + JsonInput.quote(step.path("type").asText("")) + " and adds nothing in its place");
            }
        }
    }

    private void readTemplate(JsonNode single, JsonNode pair) {
        if (single.size() < 2) {
            return;
        }
        String first = special(single.path(0));
        String last = special(single.path(single.size() - 1));
        if (first != null) {
            fill("bos", first);
            boolean known = first.equals(texts.get("bos")) || first.equals(texts.get("cls"));
            adds.put("bos", known);
            if (!known) {
                notes.add("transformers begins text with " + JsonInput.quote(first) + ", llama.cpp will not: the"
                        + " beginning-of-sequence token is " + JsonInput.quote(texts.get("bos")));
            }
        }
        if (last != null) {
            String named = texts.get("eos");
            if (named != null && !named.equals(last)) {
                // llama.cpp has one token to end text with; the one that ends a turn keeps its meaning as eot.
                texts.put("eot", named);
            }
            texts.put("eos", last);
            adds.put("eos", true);
        }
        if (single.size() > 1 + (first == null ? 0 : 1) + (last == null ? 0 : 1)) {
            notes.add("transformers adds more special tokens to text than the first and the last, llama.cpp will not");
        }
        readSeparator(pair, first, last);
    }

    /** Whether a separator stands between two texts: A, one or two separators, B, within the outer tokens. */
    private void readSeparator(JsonNode pair, String first, String last) {
        int from = first != null && first.equals(special(pair.path(0))) ? 1 : 0;
        int to = pair.size() - (last != null && last.equals(special(pair.path(pair.size() - 1))) ? 1 : 0);
        boolean betweenTexts = to - from > 2
                && pair.path(from).path("Sequence").path("id").asText("").equals("A")
                && pair.path(to - 1).path("Sequence").path("id").asText("").equals("B");
        if (!betweenTexts) {
            return;
        }
        boolean separates = last == null && isSeparator(special(pair.path(from + 1)));
        if (to - from == 4) {
            separates |= isSeparator(special(pair.path(from + 2)));
        }
        adds.put("sep", separates);
        if (separates) {
            fill("sep", texts.get("eos"));
        }
    }

    private boolean isSeparator(String text) {
        return text != null && (text.equals(texts.get("sep")) || text.equals(texts.get("eos")));
    }

    private static String special(JsonNode piece) {
        return piece.path("SpecialToken").path("id").textValue();
    }

    /**
     * Takes what tokenizer_config.json says is added, where the post-processor says nothing. For the Llama classes of
     * transformers it counts in any case: they write the post-processor anew.
     */
    void readFlags(JsonInput tokenizerConfig) {
        boolean overrules = isLlamaClass(tokenizerConfig);
        for (String name : List.of("bos", "eos", "sep")) {
            JsonNode flag = tokenizerConfig.get("add_" + name + "_token");
            if (!flag.isBoolean()) {
                continue;
            }
            Boolean before =
                    overrules ? adds.put(name, flag.booleanValue()) : adds.putIfAbsent(name, flag.booleanValue());
            if (before != null && before != flag.booleanValue()) {
                notes.add("tokenizer_config.json says add_" + name + "_token " + flag.booleanValue()
                        + ", the post-processor of tokenizer.json otherwise; the "
                        + (overrules ? "former counts, for transformers' class is Llama's" : "latter counts"));
            }
        }
    }

    /** Fills in what transformers' class for the tokenizer adds when no file says so. */
    void readClass(JsonInput tokenizerConfig) {
        adds.putIfAbsent("bos", isLlamaClass(tokenizerConfig));
        adds.putIfAbsent(
                "eos", tokenizerConfig.get("tokenizer_class").asText("").startsWith("T5"));
    }

    private static boolean isLlamaClass(JsonInput tokenizerConfig) {
        String type = tokenizerConfig.get("tokenizer_class").asText("");
        return type.startsWith("Llama") || type.startsWith("CodeLlama");
    }

    /** Text of the token that is put before text, or null when none is. */
    String firstToken() {
        return adds.getOrDefault("bos", false) ? texts.get("bos") : null;
    }

    /**
     * Writes ids and flags.
     *
     * @param idOf id of a token's text, null when there is none
     * @param own the id that tokenizer.model itself gives to a name, negative for none
     * @param size rows of the embedding
     */
    void write(
            Metadata metadata,
            Function<String, Integer> idOf,
            ToIntFunction<String> own,
            List<JsonInput> configs,
            int size) {
        Integer codeLlamaTurn = idOf.apply("\u2581<EOT>");
        for (Map.Entry<String, String> key : KEYS.entrySet()) {
            String name = key.getKey();
            String text = texts.get(name);
            Integer id = text == null ? null : idOf.apply(text);
            if (text != null && id == null) {
                notes.add(name + "_token " + JsonInput.quote(text) + " is not in the vocabulary and is left out");
            }
            id = id == null ? fromConfigs(configs, name, size) : id;
            id = id == null && name.equals("eot") ? codeLlamaTurn : id;
            int model = own.applyAsInt(name);
            id = id == null && model >= 0 && model < size ? Integer.valueOf(model) : id;
            if (id != null) {
                metadata.putU32("tokenizer.ggml." + key.getValue() + "_token_id", id);
            }
        }
        for (String name : List.of("bos", "eos", "sep")) {
            Boolean add = adds.get(name);
            if (add != null) {
                metadata.putBool("tokenizer.ggml.add_" + name + "_token", add);
                if (add && !metadata.contains("tokenizer.ggml." + KEYS.get(name) + "_token_id")) {
                    throw JsonInput.refuse(
                            TokenizerFiles.TOKENIZER_CONFIG,
                            "a " + name + " token is to be added to text, but no " + name
                                    + "_token of the vocabulary is named");
                }
            }
        }
        if (!metadata.contains("tokenizer.ggml.eos_token_id")) {
            notes.add("no end-of-sequence token is named; llama.cpp will take its default id for one");
        }
    }

    private Integer fromConfigs(List<JsonInput> configs, String name, int size) {
        for (JsonInput config : configs) {
            String key = name + "_token_id";
            JsonNode value = config.get(key);
            value = value.isMissingNode() ? JsonInput.value(config.get("text_config"), key) : value;
            value = value.isArray() ? value.path(0) : value;
            if (!value.isIntegralNumber()) {
                continue;
            }
            if (value.canConvertToInt() && value.intValue() >= 0 && value.intValue() < size) {
                return value.intValue();
            }
            notes.add(key + ' ' + value + " of " + config.file() + " is not one of the " + size
                    + " rows of the embedding and is left out");
        }
        return null;
    }

    /** GGUF's names, in the order that they are written; it spells the separator so. */
    private static Map<String, String> keys() {
        Map<String, String> keys = new LinkedHashMap<>();
        keys.put("bos", "bos");
        keys.put("eos", "eos");
        keys.put("unk", "unknown");
        keys.put("sep", "seperator");
        keys.put("pad", "padding");
        keys.put("cls", "cls");
        keys.put("mask", "mask");
        keys.put("eot", "eot");
        keys.put("eom", "eom");
        return keys;
    }
}
