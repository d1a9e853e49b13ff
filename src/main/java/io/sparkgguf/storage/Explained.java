package io.sparkgguf.storage;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;

/** Turns an operating system's failures into one line each: what was to be done, with which file, and why it failed. */
public final class Explained {
    private Explained() {}

    /**
     * @param action what failed, for example {@code read}
     * @param thing what with: a file's name
     * @return an exception of one line, a {@link FileNotFoundException} where the file, or the folder to write it into, does not exist
     */
    public static IOException failure(String action, String thing, IOException cause) {
        String message = "Cannot " + action + " " + thing + ": ";
        if (cause instanceof NoSuchFileException || cause instanceof FileNotFoundException) {
            FileNotFoundException missing = new FileNotFoundException(
                    message + (action.equals("write") ? "its folder does not exist" : "no such file"));
            missing.initCause(cause);
            return missing;
        }
        return new IOException(message + reason(cause), cause);
    }

    private static String reason(IOException cause) {
        if (cause instanceof AccessDeniedException) {
            return "no permission";
        }
        if (cause instanceof AtomicMoveNotSupportedException) {
            return "not on the same file system";
        }
        String told = cause instanceof FileSystemException detailed && detailed.getReason() != null
                ? detailed.getReason()
                : cause.getMessage();
        if (told == null || told.isBlank()) {
            return cause.getClass().getSimpleName();
        }
        String line = told.lines().findFirst().orElseThrow().strip();
        // strerror's texts ("No space left on device") begin in capitals; names of classes and files stay as they are
        return line.length() > 1 && Character.isUpperCase(line.charAt(0)) && Character.isLowerCase(line.charAt(1))
                ? line.substring(0, 1).toLowerCase(Locale.ROOT) + line.substring(1)
                : line;
    }
}
