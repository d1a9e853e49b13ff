package io.sparkgguf.tensor;

/**
 * An input that this program will not work with: damaged, contradictory or asking for what cannot be. The message is
 * one line, {@code Cannot <verb> <thing>: <reason with values>}, and is all that the user sees: no stack trace.
 */
public class InvalidInputException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public InvalidInputException(String message) {
        super(oneLine(message));
    }

    public InvalidInputException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    /** Names come from hostile files: none may break the line or command a terminal. */
    private static String oneLine(String message) {
        return message.replaceAll("[\\p{Cc}\\p{Zl}\\p{Zp}]", "?");
    }
}
