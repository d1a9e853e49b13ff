package io.sparkgguf.quant.mix;

import java.util.Collection;
import java.util.List;
import java.util.Locale;

/** Finds the known names that a mistyped one may have meant. */
public final class Spelling {
    private static final int SUGGESTIONS = 3;

    private Spelling() {}

    /**
     * The known names nearest to {@code given}, at most three, all at the same Levenshtein distance (ignoring case). When
     * more than a third of the given characters, and more than one, would have to change: the first names that it begins,
     * if it has three characters or more.
     */
    public static List<String> nearest(String given, Collection<String> known) {
        String wanted = given.toUpperCase(Locale.ROOT);
        int limit = Math.max(1, wanted.length() / 3);
        int best = known.stream()
                .mapToInt(name -> distance(wanted, name.toUpperCase(Locale.ROOT)))
                .min()
                .orElse(Integer.MAX_VALUE);
        if (best > limit) {
            return known.stream()
                    .filter(name -> wanted.length() >= 3
                            && name.toUpperCase(Locale.ROOT).startsWith(wanted))
                    .limit(SUGGESTIONS)
                    .toList();
        }
        return known.stream()
                .filter(name -> distance(wanted, name.toUpperCase(Locale.ROOT)) == best)
                .limit(SUGGESTIONS)
                .toList();
    }

    /** How a message goes on: {@code "; did you mean A or B?"}, or {@code "."} when no known name is near. */
    public static String suggestion(String given, Collection<String> known) {
        List<String> near = nearest(given, known);
        return near.isEmpty() ? "." : "; did you mean " + String.join(" or ", near) + "?";
    }

    /** Insertions, deletions and replacements of one character that turn {@code a} into {@code b}. */
    static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
