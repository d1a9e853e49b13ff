package io.sparkgguf.calibrate.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Documents of a JSON lines file: each line an object with {@code text}, or with {@code messages} (and {@code tools})
 * that the chat template makes text of. Empty lines are none.
 */
final class JsonLines {
    private static final ObjectMapper MAPPER = new ObjectMapper(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(64)
                            .maxStringLength(64 << 20)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final Pattern FOR_PROGRAMMERS =
            Pattern.compile(" \\(bound as `[^`]*`\\)|: not allowed as per `[^`]*`");
    private static final String MARK = "\uFEFF";

    private final TextFile file;
    private final LineReader lines;
    private final Optional<ChatTemplate> template;

    JsonLines(TextFile file, RangeReader reader, Optional<ChatTemplate> template) {
        this.file = file;
        this.lines = new LineReader(file, reader);
        this.template = template;
    }

    /** The next document's text, null behind the last. */
    String next() throws IOException {
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            String json = Utf8Text.decode(file, line, lines.offset());
            if (lines.offset() == 0 && json.startsWith(MARK)) {
                json = json.substring(1);
            }
            if (!json.isBlank()) {
                return text(parse(json));
            }
        }
        return null;
    }

    private JsonNode parse(String json) {
        try {
            JsonNode node = MAPPER.readTree(json);
            if (!node.isObject()) {
                throw refuse("is no JSON object");
            }
            return node;
        } catch (JsonProcessingException e) {
            int column = e.getLocation() == null ? 1 : e.getLocation().getColumnNr();
            String first = e.getOriginalMessage().lines().findFirst().orElse("");
            String reason = FOR_PROGRAMMERS.matcher(first).replaceAll("");
            throw refuse("is not valid JSON, column " + column + ": " + reason, e);
        }
    }

    private String text(JsonNode line) {
        JsonNode text = line.path("text");
        JsonNode messages = line.path("messages");
        String result;
        if (text.isTextual()) {
            result = text.textValue();
        } else if (messages.isArray() && !messages.isEmpty()) {
            if (template.isEmpty()) {
                throw refuse("has messages, but the model has no chat template; give lines with text");
            }
            try {
                result = template.get()
                        .render(
                                MAPPER.convertValue(messages, Object.class),
                                line.path("tools").isArray()
                                        ? MAPPER.convertValue(line.get("tools"), Object.class)
                                        : null);
            } catch (ChatTemplate.Failure e) {
                throw refuse("cannot be rendered by the model's chat template: " + e.getMessage(), e);
            }
        } else {
            throw refuse("has neither text nor messages");
        }
        if (!isUnicode(result)) {
            throw refuse("has half of a surrogate pair in its text");
        }
        return result;
    }

    private static boolean isUnicode(String text) {
        return text.codePoints().noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    private InvalidInputException refuse(String reason) {
        return refuse(reason, null);
    }

    private InvalidInputException refuse(String reason, Exception cause) {
        return file.refuse(lines.place() + ' ' + reason, cause);
    }
}
