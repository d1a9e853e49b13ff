package io.sparkgguf.storage;

import io.sparkgguf.tensor.InvalidInputException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What can be told of a file's name without looking at any file. */
public final class Names {
    // A slash must follow, so that a plain file may be called "model:v2.gguf"; one letter is a drive of Windows.
    private static final Pattern SCHEME = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]+):/.*", Pattern.DOTALL);

    private Names() {}

    /** The scheme of a URI in lower case ({@code hdfs}, {@code file}), or an empty string for a plain path. */
    public static String scheme(String file) {
        Matcher matcher = SCHEME.matcher(file);
        return matcher.matches() ? matcher.group(1).toLowerCase(Locale.ROOT) : "";
    }

    /** The folder that a file lies in, as a name that storages know; of a path without folder, the absolute one. */
    public static String folder(String file) {
        if (scheme(file).isEmpty()) {
            return Path.of(file).toAbsolutePath().getParent().toString();
        }
        int slash = file.lastIndexOf('/');
        boolean root = file.substring(0, slash).matches("[^:]+:(//[^/]*)?");
        return file.substring(0, root ? slash + 1 : slash);
    }

    /**
     * @throws InvalidInputException when {@code child}, taken as a name in {@code folder}, would lie outside of it
     */
    public static void requireInside(String folder, String child) {
        boolean outside = child.isEmpty()
                || child.startsWith("/")
                || child.indexOf('\\') >= 0
                || child.indexOf('\0') >= 0
                || !scheme(child).isEmpty();
        for (String part : child.split("/", -1)) {
            outside |= part.equals("..");
        }
        if (outside) {
            throw new InvalidInputException(
                    "Cannot use '" + child + "' as a name in folder " + folder + ": it lies outside");
        }
    }
}
