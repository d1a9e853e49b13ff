package io.sparkgguf.tensor;

/**
 * An input that this program will not work with: damaged, contradictory or asking for what cannot be. The message is
 * one line, {@code Cannot <verb> <thing>: <reason with values>}, and is all that the user sees: no stack trace.
 */
public class InvalidInputException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public InvalidInputException(String message) {
        super(message);
    }

    public InvalidInputException(String message, Throwable cause) {
        super(message, cause);
    }
}
