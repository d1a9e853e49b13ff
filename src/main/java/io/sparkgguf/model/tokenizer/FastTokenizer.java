package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.StreamSupport;

/**
 * A tokenizer.json, checked for what this package reads of it.
 *
 * @param json the file
 * @param model {@code BPE} or {@code Unigram}
 * @param vocabulary id of each text of the model, without the added tokens that are not in it
 * @param unigramScores by id; empty for BPE
 * @param added in order of id
 */
record FastTokenizer(
        JsonInput json, String model, Map<String, Integer> vocabulary, float[] unigramScores, List<AddedToken> added) {

    /** @throws io.sparkgguf.tensor.InvalidInputException when it is not a BPE or Unigram tokenizer, or damaged */
    static Optional<FastTokenizer> read(TokenizerFiles files) {
        JsonInput json = JsonInput.read(files, TokenizerFiles.TOKENIZER_JSON);
        if (!json.exists()) {
            return Optional.empty();
        }
        JsonNode model = json.get("model");
        if (!model.isObject()) {
            throw json.refuse("it has no model");
        }
        String type = type(model);
        Map<String, Integer> vocabulary;
        float[] scores = new float[0];
        switch (type) {
            case "BPE" -> vocabulary = bpe(json, model);
            case "Unigram" -> {
                vocabulary = new LinkedHashMap<>();
                scores = unigram(json, model, vocabulary);
            }
            default -> throw json.refuse("its model is " + JsonInput.quote(type) + ", not BPE or Unigram");
        }
        return Optional.of(new FastTokenizer(json, type, vocabulary, scores, added(json, vocabulary)));
    }

    /** The model's kind; files older than the field hold BPE where there are merges. */
    private static String type(JsonNode model) {
        JsonNode type = JsonInput.value(model, "type");
        return type.isTextual() ? type.textValue() : model.has("merges") ? "BPE" : "";
    }

    private static Map<String, Integer> bpe(JsonInput json, JsonNode model) {
        JsonNode vocabulary = model.path("vocab");
        if (!vocabulary.isObject()) {
            throw json.refuse("model.vocab is no object");
        }
        for (String affix : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            String value = JsonInput.value(model, affix).asText("");
            if (!value.isEmpty()) {
                throw json.refuse(
                        "model." + affix + " is " + JsonInput.quote(value) + ", for which llama.cpp has no tokenizer");
            }
        }
        Map<String, Integer> ids = new LinkedHashMap<>(vocabulary.size() * 2);
        vocabulary.properties().forEach(entry -> ids.put(entry.getKey(), json.id(entry.getValue(), entry.getKey())));
        return ids;
    }

    private static float[] unigram(JsonInput json, JsonNode model, Map<String, Integer> ids) {
        JsonNode pieces = model.path("vocab");
        if (!pieces.isArray()) {
            throw json.refuse("model.vocab is no list");
        }
        float[] scores = new float[pieces.size()];
        int id = 0;
        for (JsonNode piece : pieces) {
            if (piece.size() != 2
                    || !piece.path(0).isTextual()
                    || !piece.path(1).isNumber()) {
                throw json.refuse(
                        "token " + id + " is not a pair of text and score: " + JsonInput.quote(piece.toString()));
            }
            String text = piece.get(0).textValue();
            Integer other = ids.putIfAbsent(text, id);
            if (other != null) {
                throw json.refuse("tokens " + other + " and " + id + " are both " + JsonInput.quote(text));
            }
            scores[id++] = (float) piece.get(1).doubleValue();
        }
        return scores;
    }

    private static List<AddedToken> added(JsonInput json, Map<String, Integer> vocabulary) {
        JsonNode list = json.get("added_tokens");
        if (!list.isMissingNode() && !list.isArray()) {
            throw json.refuse("added_tokens is no list");
        }
        List<AddedToken> added = new ArrayList<>();
        Map<String, Integer> seen = new HashMap<>();
        for (JsonNode token : list) {
            String content = json.text(token.path("content"), "the content of an added token");
            int id = json.id(token.path("id"), content);
            Integer other = seen.putIfAbsent(content, id);
            other = other == null ? vocabulary.get(content) : other;
            if (other != null && other != id) {
                throw json.refuse("token " + JsonInput.quote(content) + " has the ids " + other + " and " + id);
            }
            added.add(addedToken(id, content, token));
        }
        added.sort((a, b) -> Integer.compare(a.id(), b.id()));
        return List.copyOf(added);
    }

    /** An added token of tokenizer.json or of tokenizer_config.json, which say the same of it. */
    static AddedToken addedToken(int id, String content, JsonNode token) {
        boolean strips = token.path("lstrip").asBoolean()
                || token.path("rstrip").asBoolean()
                || token.path("single_word").asBoolean();
        return new AddedToken(id, content, token.path("special").asBoolean(), strips);
    }

    /** @throws io.sparkgguf.tensor.InvalidInputException when a token has no row in the embedding */
    void checkIds(int rows) {
        vocabulary.forEach((text, id) -> checkId(text, id, rows));
        added.forEach(token -> checkId(token.content(), token.id(), rows));
    }

    private void checkId(String text, int id, int rows) {
        if (id >= rows) {
            throw json.refuse("token " + JsonInput.quote(text) + " has the id " + id + ", but the embedding has " + rows
                    + " rows");
        }
    }

    JsonNode modelNode() {
        return json.get("model");
    }

    boolean byteFallback() {
        return modelNode().path("byte_fallback").asBoolean();
    }

    boolean ignoreMerges() {
        return modelNode().path("ignore_merges").asBoolean();
    }

    /** Whether text becomes bytes before BPE sees it, each byte a visible character. */
    boolean isByteLevel() {
        return model.equals("BPE")
                && (steps("pre_tokenizer", "pretokenizers").stream().anyMatch(step -> isType(step, "ByteLevel"))
                        || steps("normalizer", "normalizers").stream().anyMatch(step -> isType(step, "ByteLevel")));
    }

    /** The parts of a stage, sequences within sequences laid flat; empty when the stage is absent. */
    List<JsonNode> steps(String stage, String list) {
        List<JsonNode> steps = new ArrayList<>();
        flatten(json.get(stage), list, steps);
        return steps;
    }

    private static void flatten(JsonNode step, String list, List<JsonNode> into) {
        if (isType(step, "Sequence")) {
            StreamSupport.stream(step.path(list).spliterator(), false).forEach(inner -> flatten(inner, list, into));
        } else if (!step.isMissingNode()) {
            into.add(step);
        }
    }

    static boolean isType(JsonNode step, String type) {
        return step.path("type").asText("").equals(type);
    }
}
