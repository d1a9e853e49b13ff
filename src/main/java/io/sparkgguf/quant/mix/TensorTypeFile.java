package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.List;

/** A file of type overrides: {@code PATTERN=TYPE} separated by spaces or line breaks, in order of precedence. */
public final class TensorTypeFile {
    private TensorTypeFile() {}

    /**
     * Reads the overrides.
     *
     * @param text the whole file
     * @param file its name, for messages
     * @throws InvalidInputException naming file and line, when an override is not understood or there is none
     */
    public static List<TypeOverride> parse(String text, String file) {
        List<TypeOverride> overrides = new ArrayList<>();
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            for (String word : line.strip().split("\\s+")) {
                if (!word.isEmpty()) {
                    overrides.add(parse(word, file, number));
                }
            }
        }
        if (overrides.isEmpty()) {
            throw new InvalidInputException("Cannot read tensor types from " + file + ": no PATTERN=TYPE in it");
        }
        return List.copyOf(overrides);
    }

    private static TypeOverride parse(String word, String file, int line) {
        try {
            return TypeOverride.parse(word);
        } catch (InvalidInputException e) {
            throw new InvalidInputException(
                    "Cannot read tensor types from " + file + ", line " + line + ": " + e.getMessage(), e);
        }
    }
}
