package io.sparkgguf.cli;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds passwords in the URIs of a command line. Files are named in logs, in reports and in the Spark UI, so none may hold
 * a secret; credentials go through Hadoop's providers.
 */
final class UriCredentials {
    /** {@code scheme://user:password@}; what follows a colon may also be a port. Secret keys may have slashes in them. */
    private static final Pattern USER_INFO =
            Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*://)[^/@:\\s]*:(?!\\d*/)[^@\\s]*@");

    private UriCredentials() {}

    /** Why a command line is not accepted, without the secret; empty when it holds none. */
    static Optional<String> refusal(String... arguments) {
        for (String argument : arguments) {
            Matcher matcher = USER_INFO.matcher(argument);
            if (matcher.find()) {
                return Optional.of(
                        "Cannot use " + matcher.replaceAll("$1***@") + ": it holds a password, which would be"
                                + " shown wherever the file is named; give credentials to Hadoop instead, for example in a"
                                + " credential provider");
            }
        }
        return Optional.empty();
    }
}
