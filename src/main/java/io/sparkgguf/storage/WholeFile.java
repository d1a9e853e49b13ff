package io.sparkgguf.storage;

import java.io.IOException;
import java.io.OutputStream;
import java.util.UUID;

/**
 * Writes files that are either whole or absent: under a name of their own first, then renamed. Retries and speculative
 * copies of a task write the same bytes beside each other, and whichever is renamed last replaces its equal.
 */
public final class WholeFile {
    private WholeFile() {}

    /** Writes the content. */
    public interface Body {
        void write(OutputStream out) throws IOException;
    }

    /** Writes {@code file}; when {@code body} fails, nothing of it is left. */
    public static void write(Storage storage, String file, Body body) throws IOException {
        String temporary = file + "." + UUID.randomUUID() + ".tmp";
        try {
            try (OutputStream out = storage.create(temporary)) {
                body.write(out);
            }
            storage.rename(temporary, file);
        } catch (IOException | RuntimeException | Error e) {
            try {
                storage.delete(temporary);
            } catch (IOException leftover) {
                e.addSuppressed(leftover);
            }
            throw e;
        }
    }
}
