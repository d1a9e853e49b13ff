package io.sparkgguf.assemble;

import java.io.IOException;

/** A part is missing, or its bytes are not those that were written. */
final class DamagedPartException extends IOException {
    private static final long serialVersionUID = 1L;

    DamagedPartException(Part part, String reason, IOException cause) {
        super("Cannot use " + part.file() + ": " + reason, cause);
    }

    /** Whether this is at the bottom of {@code failure}, whatever it was wrapped into on its way. */
    static boolean caused(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof DamagedPartException) {
                return true;
            }
        }
        return false;
    }
}
