package io.sparkgguf.validate;

import java.util.ArrayList;
import java.util.List;

/** Collects findings; the first hundred in full, the rest as a number, so that a hostile file cannot flood a report. */
final class Findings {
    static final int LIMIT = 100;

    private final List<Finding> list = new ArrayList<>();
    private int errorsBeyond;
    private int warningsBeyond;

    void error(String subject, String message) {
        if (list.size() < LIMIT) {
            list.add(new Finding(Finding.Severity.ERROR, subject, message));
        } else {
            errorsBeyond++;
        }
    }

    void warning(String subject, String message) {
        if (list.size() < LIMIT) {
            list.add(new Finding(Finding.Severity.WARNING, subject, message));
        } else {
            warningsBeyond++;
        }
    }

    List<Finding> toList() {
        List<Finding> all = new ArrayList<>(list);
        if (errorsBeyond > 0) {
            all.add(new Finding(Finding.Severity.ERROR, "", errorsBeyond + " more errors"));
        }
        if (warningsBeyond > 0) {
            all.add(new Finding(Finding.Severity.WARNING, "", warningsBeyond + " more warnings"));
        }
        return List.copyOf(all);
    }
}
