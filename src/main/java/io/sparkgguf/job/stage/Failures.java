package io.sparkgguf.job.stage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;

/** Finds what went wrong under Spark's wrapping, so that people read the reason and not the transport. */
public final class Failures {
    private Failures() {}

    /**
     * The first refusal or I/O failure among the causes; Spark's own exception where there is neither.
     *
     * @return an exception to throw: {@link InvalidInputException} is thrown at once
     */
    public static IOException unwrap(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof InvalidInputException refusal) {
                throw refusal;
            }
            if (cause instanceof IOException io && !(cause instanceof java.io.UTFDataFormatException)) {
                return io;
            }
        }
        if (failure instanceof RuntimeException runtime) {
            throw runtime;
        }
        return new IOException("Cannot finish the stage: " + firstLine(failure), failure);
    }

    private static String firstLine(Throwable failure) {
        String text = String.valueOf(failure.getMessage());
        int end = text.indexOf('\n');
        return end < 0 ? text : text.substring(0, end);
    }
}
