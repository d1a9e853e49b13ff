package io.sparkgguf.job;

import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Runs stages whose results are in the journal when they end, and are taken from there when they were before. */
final class RememberedStages {
    private final Session session;
    private final Journal journal;
    private final Progress progress;
    private final Map<String, Double> seconds = new LinkedHashMap<>();

    RememberedStages(Session session, Journal journal, Progress progress) {
        this.session = session;
        this.journal = journal;
        this.progress = progress;
    }

    /**
     * Runs a stage.
     *
     * @param kind what its time is counted as
     * @param key the stage in the journal
     * @param item an item there, unlike the others of the stage
     * @return results in the order of the items
     */
    <T extends Serializable, R> List<R> run(
            String kind, String key, Stage<T, Noted<R>> stage, Function<T, String> item, Class<R> type)
            throws IOException {
        List<String> items = stage.items().stream().map(item).toList();
        List<R> known = known(key, items, type);
        if (known != null) {
            return known;
        }
        long start = System.nanoTime();
        List<R> results =
                Noted.results(stage.recall(journal.recall(key, items, type)).run(session, progress));
        journal.flush();
        seconds.merge(kind, (System.nanoTime() - start) / 1e9, Double::sum);
        return results;
    }

    /** All results of a stage that is done; null when it is not. */
    private <R> List<R> known(String key, List<String> items, Class<R> type) {
        List<R> known = new ArrayList<>();
        for (String item : items) {
            R result = journal.known(key, item, type);
            if (result == null) {
                return null;
            }
            known.add(result);
        }
        return known;
    }

    Journal journal() {
        return journal;
    }

    /** Wall time of stages by kind. */
    Map<String, Double> seconds() {
        return seconds;
    }
}
