package io.sparkgguf.storage;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Optional;
import java.util.UUID;

/**
 * Writes files that are either whole or absent: under a name of their own first, then renamed; where a file appears only
 * when it is closed (object stores, in which a rename is a copy), at once. Retries and speculative copies of a task write
 * the same bytes beside each other, and whichever is done last replaces its equal.
 */
public final class WholeFile {
    private WholeFile() {}

    /** Writes the content. */
    public interface Body {
        void write(OutputStream out) throws IOException;
    }

    /** Writes {@code file}; when {@code body} fails, nothing of it is left. */
    public static void write(Storage storage, String file, Body body) throws IOException {
        Optional<AbortableOutput> atOnce = storage.createAtOnce(file);
        if (atOnce.isPresent()) {
            write(atOnce.get(), body);
            return;
        }
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

    private static void write(AbortableOutput out, Body body) throws IOException {
        try {
            body.write(out);
        } catch (IOException | RuntimeException | Error e) {
            try {
                out.abort();
            } catch (IOException leftover) {
                e.addSuppressed(leftover);
            }
            throw e;
        }
        out.close();
    }
}
