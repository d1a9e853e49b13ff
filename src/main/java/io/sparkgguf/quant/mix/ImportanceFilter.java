package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which entries of an importance matrix are used: those whose name contains one of {@code include}, or contains none of
 * {@code exclude}; all when both are empty.
 *
 * @param include substrings of {@code --include-weights}
 * @param exclude substrings of {@code --exclude-weights}
 */
public record ImportanceFilter(List<String> include, List<String> exclude) {
    /**
     * @throws InvalidInputException when both are given, or a substring is empty
     */
    public ImportanceFilter {
        include = List.copyOf(include);
        exclude = List.copyOf(exclude);
        if (!include.isEmpty() && !exclude.isEmpty()) {
            throw new InvalidInputException("Cannot combine --include-weights with --exclude-weights: use one of them");
        }
        if (include.contains("") || exclude.contains("")) {
            throw new InvalidInputException("Cannot filter importance by an empty name: it is part of every name");
        }
    }

    /** Whether the entry of this tensor is used. */
    public boolean keeps(String tensor) {
        return include.isEmpty()
                ? exclude.stream().noneMatch(tensor::contains)
                : include.stream().anyMatch(tensor::contains);
    }

    /**
     * The entries that are used, in their order.
     *
     * @throws InvalidInputException when there are entries but the filter leaves none
     */
    public <V> Map<String, V> apply(Map<String, V> entries) {
        Map<String, V> kept = new LinkedHashMap<>();
        entries.forEach((tensor, values) -> {
            if (keeps(tensor)) {
                kept.put(tensor, values);
            }
        });
        if (kept.isEmpty() && !entries.isEmpty()) {
            throw new InvalidInputException("Cannot filter importance by "
                    + (include.isEmpty() ? "--exclude-weights " + exclude : "--include-weights " + include)
                    + ": none of the " + entries.size() + " entries is left");
        }
        return kept;
    }

    /** Lines about substrings that are found in none of the names of {@code tensors}. */
    public List<String> warnings(Collection<String> tensors) {
        List<String> lines = new ArrayList<>();
        warnUnused("--include-weights", include, tensors, lines);
        warnUnused("--exclude-weights", exclude, tensors, lines);
        return lines;
    }

    private static void warnUnused(String option, List<String> parts, Collection<String> tensors, List<String> lines) {
        for (String part : parts) {
            if (tensors.stream().noneMatch(tensor -> tensor.contains(part))) {
                lines.add(
                        option + " " + part + " has no effect: no entry of the importance matrix has this in its name");
            }
        }
    }
}
