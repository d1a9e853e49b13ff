package io.sparkgguf.storage;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * Writes files that are either whole or absent: under a name of their own first, then renamed; where a file appears only
 * when it is closed (object stores, in which a rename is a copy), at once. Retries and speculative copies of a task write
 * the same bytes beside each other, and whichever is done last replaces its equal.
 */
public final class WholeFile {
    /** What this thread wrote since it was asked to note it. */
    private static final ThreadLocal<List<Written>> NOTED = new ThreadLocal<>();

    /** What stands behind a file's name until all of it is written. */
    private static final Pattern TEMPORARY = Pattern.compile("\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.tmp");

    private WholeFile() {}

    /** Writes the content. */
    public interface Body {
        void write(OutputStream out) throws IOException;
    }

    /**
     * A file that was written.
     *
     * @param digest xxHash64 of all its bytes
     */
    public record Written(String file, long length, long digest) implements Serializable {}

    /** What is done while files are noted. */
    public interface Action<R> {
        R run() throws IOException;
    }

    /**
     * Does something, and tells which files this thread wrote meanwhile, so that they can be known again later.
     *
     * @param into receives them in the order in which they got their names
     */
    public static <R> R noting(List<Written> into, Action<R> action) throws IOException {
        List<Written> before = NOTED.get();
        NOTED.set(into);
        try {
            return action.run();
        } finally {
            if (before == null) {
                NOTED.remove();
            } else {
                NOTED.set(before);
            }
        }
    }

    /** Writes {@code file}; when {@code body} fails, nothing of it is left. */
    public static void write(Storage storage, String file, Body body) throws IOException {
        List<Written> noted = NOTED.get();
        if (noted == null) {
            writeWhole(storage, file, body);
            return;
        }
        Written[] written = new Written[1];
        writeWhole(storage, file, out -> {
            Digesting digesting = new Digesting(out);
            body.write(digesting);
            written[0] = new Written(file, digesting.length, digesting.digest.value());
        });
        noted.add(written[0]);
    }

    /** Whether a file's name is one under which a writer of {@code of}, in the same folder, begins. */
    static boolean isTemporary(String name, String of) {
        return name.startsWith(of)
                && TEMPORARY.matcher(name.substring(of.length())).matches();
    }

    private static void writeWhole(Storage storage, String file, Body body) throws IOException {
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

    /** Takes the digest of what goes through. */
    private static final class Digesting extends FilterOutputStream {
        private final Digest digest = new Digest();
        private long length;

        Digesting(OutputStream out) {
            super(out);
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] from, int at, int count) throws IOException {
            out.write(from, at, count);
            digest.update(from, at, count);
            length += count;
        }
    }
}
