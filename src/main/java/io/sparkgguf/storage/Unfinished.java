package io.sparkgguf.storage;

import java.io.IOException;

/** The file that becomes another by a rename: beside it, so that the rename stays in one place. */
public final class Unfinished {
    private Unfinished() {}

    /** Its name. */
    public static String file(String target) {
        return target + ".unfinished";
    }

    /** Refuses to go on with a file that is not as long as it was laid out. */
    public static void requireLength(Storage storage, String file, long length) throws IOException {
        long found = storage.status(file).length();
        if (found != length) {
            throw new IOException("Cannot finish " + file + ": it has " + found + " bytes, planned are " + length);
        }
    }
}
