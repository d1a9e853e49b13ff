package io.sparkgguf.calibrate.text;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.Locale;
import java.util.Optional;

/**
 * One file to be read.
 *
 * @param file full name
 * @param kind what it holds, by the end of its name
 * @param verb what it is for, in messages
 */
record TextFile(String file, Kind kind, String verb) {
    enum Kind {
        PLAIN,
        JSON_LINES,
        INT32,
        SAFETENSORS;

        /** The kind that a name's end tells, empty when it tells none. */
        static Optional<Kind> of(String fileName) {
            String extension = fileName.substring(fileName.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
            return switch (extension) {
                case "txt", "text", "md" -> Optional.of(PLAIN);
                case "jsonl", "ndjson", "json" -> Optional.of(JSON_LINES);
                case "bin" -> Optional.of(INT32);
                case "safetensors" -> Optional.of(SAFETENSORS);
                default -> Optional.empty();
            };
        }
    }

    InvalidInputException refuse(String reason) {
        return refuse(reason, null);
    }

    InvalidInputException refuse(String reason, Throwable cause) {
        return new InvalidInputException("Cannot " + verb + " with " + file + ": " + reason, cause);
    }
}
