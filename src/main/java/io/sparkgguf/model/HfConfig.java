package io.sparkgguf.model;

import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sparkgguf.tensor.InvalidInputException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * Typed access to {@code config.json}, {@code generation_config.json} or one object inside. A key whose value is null
 * counts as absent, as it does for transformers. Immutable.
 */
public final class HfConfig {
    /** Longest file that is read; configurations have a few kilobytes, those with long label maps some hundred. */
    public static final int MAX_BYTES = 16 << 20;

    /** What Jackson adds for programmers. */
    private static final Pattern ADVICE = Pattern.compile("(, from|: enable) `[^`]*`( to allow)?");

    private static final JsonMapper MAPPER = JsonMapper.builder(new JsonFactoryBuilder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(64)
                            .maxNameLength(4096)
                            .maxStringLength(MAX_BYTES)
                            .maxNumberLength(100)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    // Python writes Infinity and NaN; keys that are asked for must still be finite
                    .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String file;
    private final String path;
    private final JsonNode node;

    private HfConfig(String file, String path, JsonNode node) {
        this.file = file;
        this.path = path;
        this.node = node;
    }

    /**
     * Parses one JSON object in UTF-8.
     *
     * @param file for messages
     * @throws InvalidInputException when it is too long or too deep, no object, names a key twice, or is not UTF-8
     */
    public static HfConfig parse(String file, byte[] json) {
        if (json.length > MAX_BYTES) {
            throw new InvalidInputException(
                    "Cannot read " + file + ": " + json.length + " bytes, over the limit of " + MAX_BYTES);
        }
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(json))
                    .toString();
            JsonNode root = MAPPER.readTree(text);
            if (!root.isObject()) {
                throw new InvalidInputException("Cannot read " + file + ": it is not a JSON object");
            }
            return new HfConfig(file, "", root);
        } catch (CharacterCodingException e) {
            throw new InvalidInputException("Cannot read " + file + ": it is not UTF-8", e);
        } catch (JsonProcessingException e) {
            JsonLocation at = e.getLocation();
            throw new InvalidInputException(
                    "Cannot read " + file + ": not acceptable JSON ("
                            + ADVICE.matcher(e.getOriginalMessage()).replaceAll("") + ")"
                            + (at == null ? "" : ", at line " + at.getLineNr() + ", column " + at.getColumnNr()),
                    e);
        }
    }

    /** The file's name, as given. */
    public String file() {
        return file;
    }

    /** Whether the key is there and not null. */
    public boolean has(String key) {
        return node.hasNonNull(key);
    }

    /** The text under {@code key}. Throws when something else is there. */
    public Optional<String> text(String key) {
        return value(key).map(value -> {
            if (!value.isTextual()) {
                throw wrong(key, value, "text");
            }
            return value.textValue();
        });
    }

    /** The whole number under {@code key}. Throws when something else is there, or it does not fit a long. */
    public OptionalLong integer(String key) {
        Optional<JsonNode> value = value(key);
        if (value.isEmpty()) {
            return OptionalLong.empty();
        }
        if (!value.get().isIntegralNumber() || !value.get().canConvertToLong()) {
            throw wrong(key, value.get(), "a whole number");
        }
        return OptionalLong.of(value.get().longValue());
    }

    /** The finite number under {@code key}, whole or not. Throws when something else is there. */
    public OptionalDouble real(String key) {
        Optional<JsonNode> value = value(key);
        if (value.isEmpty()) {
            return OptionalDouble.empty();
        }
        if (!value.get().isNumber() || !Double.isFinite(value.get().doubleValue())) {
            throw wrong(key, value.get(), "a finite number");
        }
        return OptionalDouble.of(value.get().doubleValue());
    }

    /** Whether {@code key} is true; false when absent. Throws when something else is there. */
    public boolean flag(String key) {
        return value(key)
                .map(value -> {
                    if (!value.isBoolean()) {
                        throw wrong(key, value, "true or false");
                    }
                    return value.booleanValue();
                })
                .orElse(false);
    }

    /** The object under {@code key}. Throws when something else is there. */
    public Optional<HfConfig> section(String key) {
        return value(key).map(value -> {
            if (!value.isObject()) {
                throw wrong(key, value, "an object");
            }
            return new HfConfig(file, path + key + ".", value);
        });
    }

    /** The first text of the list under {@code key}, or empty when the list is absent or empty. */
    public Optional<String> firstText(String key) {
        return value(key).flatMap(value -> {
            if (!value.isArray() || !value.isEmpty() && !value.get(0).isTextual()) {
                throw wrong(key, value, "a list of texts");
            }
            return value.isEmpty() ? Optional.empty() : Optional.of(value.get(0).textValue());
        });
    }

    /** The list of texts under {@code key}, empty when absent. Throws when something else is there. */
    List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        value(key).ifPresent(value -> {
            for (JsonNode element : value) {
                if (!element.isTextual()) {
                    throw wrong(key, value, "a list of texts");
                }
                texts.add(element.textValue());
            }
            if (!value.isArray()) {
                throw wrong(key, value, "a list of texts");
            }
        });
        return texts;
    }

    /** The first key whose value is an object, or empty. */
    Optional<String> firstSection() {
        for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (node.get(name).isObject()) {
                return Optional.of(name);
            }
        }
        return Optional.empty();
    }

    /** The number under {@code key}, which {@code who} cannot do without. */
    double needReal(String key, String who) {
        return real(key).orElseThrow(() -> missing(key, who));
    }

    InvalidInputException missing(String key, String who) {
        return unusable(path + key + " is missing (" + who + " needs it)");
    }

    /** A complaint about this file. */
    public InvalidInputException unusable(String reason) {
        return new InvalidInputException("Cannot use " + file + ": " + reason);
    }

    private InvalidInputException wrong(String key, JsonNode value, String wanted) {
        String found = value.toString();
        if (found.length() > 60) {
            found = found.substring(0, 60) + "...";
        }
        return unusable(path + key + " is " + found + ", not " + wanted);
    }

    private Optional<JsonNode> value(String key) {
        return Optional.ofNullable(node.get(key)).filter(value -> !value.isNull());
    }
}
