package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * One {@code --override-kv KEY=TYPE:VALUE}: sets a pair of the metadata before anything is decided by it.
 *
 * @param key what to set
 * @param value {@code int} becomes U32, {@code float} F32, {@code bool} and {@code str} themselves
 */
public record MetadataOverride(String key, MetadataValue value) {
    private static final List<String> TYPES = List.of("int", "float", "bool", "str");
    private static final Pattern INTEGER = Pattern.compile("[+-]?[0-9]+");
    private static final Pattern NUMBER = Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");
    private static final long U32_MAX = 0xFFFFFFFFL;

    public MetadataOverride {
        Objects.requireNonNull(key, "key");
        Objects.requireNonNull(value, "value");
    }

    /**
     * Reads {@code KEY=TYPE:VALUE}; the first equals sign ends the key, so that text may hold more of them.
     *
     * @throws InvalidInputException when it is not of this form, or the value not of its type: an int from 0 to 2^32 - 1, a
     *     float that float32 can hold, true or false
     */
    public static MetadataOverride parse(String text) {
        int equals = text.indexOf('=');
        int colon = text.indexOf(':', equals + 1);
        if (equals <= 0 || colon < 0) {
            throw refused(text, "expected KEY=TYPE:VALUE, for example tokenizer.ggml.add_bos_token=bool:false");
        }
        String type = text.substring(equals + 1, colon);
        String value = text.substring(colon + 1);
        return new MetadataOverride(
                text.substring(0, equals),
                switch (type) {
                    case "int" -> integer(text, value);
                    case "float" -> real(text, value);
                    case "bool" -> truth(text, value);
                    case "str" -> new MetadataValue.Text(value);
                    default ->
                        throw refused(
                                text,
                                "type \"" + type + "\" is unknown" + Spelling.suggestion(type, TYPES) + " Known: "
                                        + String.join(", ", TYPES));
                });
    }

    private static MetadataValue integer(String text, String value) {
        if (!INTEGER.matcher(value).matches()) {
            throw refused(text, "\"" + value + "\" is no whole number");
        }
        try {
            long number = Long.parseLong(value);
            if (number >= 0 && number <= U32_MAX) {
                return MetadataValue.Int.of(MetadataType.U32, number);
            }
        } catch (NumberFormatException e) {
            // beyond a long is out of range too, and told so below
        }
        throw refused(text, value + " is not from 0 to " + U32_MAX);
    }

    private static MetadataValue real(String text, String value) {
        if (!NUMBER.matcher(value).matches()) {
            throw refused(text, "\"" + value + "\" is no number");
        }
        float number = Float.parseFloat(value);
        if (!Float.isFinite(number)) {
            throw refused(text, value + " is beyond the largest float, " + Float.MAX_VALUE);
        }
        return new MetadataValue.Real(MetadataType.F32, number);
    }

    private static MetadataValue truth(String text, String value) {
        return switch (value) {
            case "true" -> new MetadataValue.Bool(true);
            case "false" -> new MetadataValue.Bool(false);
            default -> throw refused(text, "\"" + value + "\" is neither true nor false");
        };
    }

    private static InvalidInputException refused(String text, String reason) {
        return new InvalidInputException("Cannot override metadata with \"" + text + "\": " + reason);
    }

    /** Sets the pair in {@code metadata}; a key that is there already keeps its place. */
    public void applyTo(Metadata metadata) {
        metadata.put(key, value);
    }
}
