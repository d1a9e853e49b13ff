package io.sparkgguf.validate;

import java.util.Objects;

/**
 * One thing that is wrong with a model.
 *
 * @param severity how wrong
 * @param subject the key, tensor or file that it is about
 * @param message one line that names the subject and the values
 */
public record Finding(Severity severity, String subject, String message) {

    /** How wrong. */
    public enum Severity {
        /** llama.cpp refuses the model, or computes nonsense with it. */
        ERROR,
        /** It loads, but something is contradictory or missing. */
        WARNING
    }

    public Finding {
        Objects.requireNonNull(severity, "severity");
        Objects.requireNonNull(subject, "subject");
        Objects.requireNonNull(message, "message");
    }

    public boolean isError() {
        return severity == Severity.ERROR;
    }
}
