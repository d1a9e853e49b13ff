package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.sparkgguf.tensor.InvalidInputException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** A JSON file of unknown origin: parsed with limits, read with messages that name the file. */
final class JsonInput {
    /** Far above the deepest tokenizer (a sequence of normalizers), far below what a stack holds. */
    private static final int MAX_DEPTH = 64;

    private static final int MAX_STRING = 16 << 20;
    private static final int MAX_NAME = 1 << 16;

    /** Values and names of one file; the largest vocabularies known, with their merges, have 3 million. */
    private static final long MAX_TOKENS = 10_000_000;

    /** Most characters of a foreign text that a message quotes. */
    private static final int QUOTED = 60;

    /** What Jackson adds for programmers. */
    private static final Pattern ADVICE = Pattern.compile("(, from|: enable) `[^`]*`( to allow)?");

    private static final ObjectMapper MAPPER = new ObjectMapper(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .maxStringLength(MAX_STRING)
                            .maxNameLength(MAX_NAME)
                            .maxTokenCount(MAX_TOKENS)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    // Names are tokens here, used once: no table of them is worth building.
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final String file;
    private final JsonNode root;

    private JsonInput(String file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    /**
     * The object that the file holds; an absent file is an empty one.
     *
     * @throws InvalidInputException when it is not JSON, over a limit, or not an object
     */
    static JsonInput read(TokenizerFiles files, String file) {
        byte[] bytes = files.get(file).orElse(null);
        if (bytes == null) {
            return new JsonInput(file, MissingNode.getInstance());
        }
        try {
            JsonNode root = MAPPER.readTree(decode(file, bytes));
            if (!root.isObject()) {
                throw refuse(file, "it holds no JSON object");
            }
            return new JsonInput(file, root);
        } catch (JsonProcessingException e) {
            JsonLocation at = e.getLocation();
            String where = at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
            String reason = ADVICE.matcher(e.getOriginalMessage()).replaceAll("");
            throw new InvalidInputException(message(file, "not valid JSON" + where + ": " + oneLine(reason)), e);
        }
    }

    /** @throws InvalidInputException when the bytes are not UTF-8; Jackson itself would put in other characters */
    static String decode(String file, byte[] utf8) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new InvalidInputException(message(file, "not UTF-8"), e);
        }
    }

    boolean exists() {
        return !root.isMissingNode();
    }

    String file() {
        return file;
    }

    JsonNode root() {
        return root;
    }

    /** The value under {@code key}; missing when it is absent or null. */
    JsonNode get(String key) {
        return value(root, key);
    }

    static JsonNode value(JsonNode node, String key) {
        JsonNode value = node.path(key);
        return value.isNull() ? MissingNode.getInstance() : value;
    }

    /** Text under {@code key}, given as such or as the {@code content} of an object; null when there is none. */
    String tokenText(String key) {
        JsonNode value = get(key);
        JsonNode text = value.isObject() ? value(value, "content") : value;
        return text.isTextual() ? text.textValue() : null;
    }

    /**
     * A token's id.
     *
     * @throws InvalidInputException unless it is a whole number from 0 that fits an int
     */
    int id(JsonNode node, String token) {
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
            throw refuse("token " + quote(token) + " has the id " + clip(node.toString()));
        }
        return node.intValue();
    }

    /** @throws InvalidInputException when the node is not text */
    String text(JsonNode node, String what) {
        if (!node.isTextual()) {
            throw refuse(what + " is " + (node.isMissingNode() ? "missing" : clip(node.toString())) + ", not text");
        }
        return node.textValue();
    }

    InvalidInputException refuse(String reason) {
        return refuse(file, reason);
    }

    static InvalidInputException refuse(String file, String reason) {
        return new InvalidInputException(message(file, reason));
    }

    private static String message(String file, String reason) {
        return "Cannot use " + file + ": " + reason;
    }

    /** Foreign text for a message: in quotes, control characters escaped, cut when long. */
    static String quote(String text) {
        return '"' + clip(text) + '"';
    }

    private static String clip(String text) {
        String clear = oneLine(text);
        return clear.length() <= QUOTED ? clear : clear.substring(0, QUOTED) + "...";
    }

    static String oneLine(String text) {
        if (text == null) {
            return "no reason given";
        }
        StringBuilder clear = new StringBuilder();
        text.chars().limit(400).forEach(c -> {
            if (c == '\n') {
                clear.append("\\n");
            } else if (c < ' ' || c == 0x7F) {
                clear.append(String.format("\\u%04x", c));
            } else {
                clear.append((char) c);
            }
        });
        return clear.toString();
    }
}
