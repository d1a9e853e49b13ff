package io.sparkgguf.job.stage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * One Spark job of independent items. Small items travel in bundles, large ones alone, the costliest first, so that the
 * tail of the stage is short. Results come back by item, whatever the order in which they were done.
 *
 * <p>A stage is described step by step and then run once:
 *
 * <pre>{@code
 * List<UnitResult> results = Stage.of("quantize", plan.units(), runner::run)
 *         .cost(WorkUnit::cost)
 *         .size(WorkUnit::bytes)
 *         .memory(WorkUnit::memory)
 *         .run(session, progress);
 * }</pre>
 *
 * @param <T> item
 * @param <R> result of an item
 */
public final class Stage<T extends Serializable, R> {
    /** Bundles for each core: enough that the last ones even out the load. */
    private static final int BUNDLES_PER_CORE = 24;

    private final String name;
    private final List<T> items;
    private final Task<T, R> task;
    private String description;
    private ToDoubleFunction<? super T> cost = item -> 1;
    private ToLongFunction<? super T> size = item -> 1;
    private Progress.Unit unit = Progress.Unit.BYTES;
    private ToLongFunction<? super T> memory = item -> 0;
    private Recall<R> recall;

    private Stage(String name, List<T> items, Task<T, R> task) {
        this.name = name;
        this.items = items;
        this.task = task;
        description = name;
    }

    /** What is done with an item on an executor. */
    public interface Task<T, R> extends Serializable {
        R run(T item) throws IOException;
    }

    /**
     * A stage that does {@code task} with every item.
     *
     * @param name the stage of {@code progress} and of events, short: {@code quantize}, {@code blk.3: solve}
     */
    public static <T extends Serializable, R> Stage<T, R> of(String name, List<T> items, Task<T, R> task) {
        return new Stage<>(name, items, task);
    }

    /** How the Spark UI names it, for example with the tensors it is about; the name where nothing is said. */
    public Stage<T, R> describe(String text) {
        description = text;
        return this;
    }

    /** Estimated seconds of an item, for the order; equal for all where nothing is said. */
    public Stage<T, R> cost(ToDoubleFunction<? super T> seconds) {
        cost = seconds;
        return this;
    }

    /** Bytes of an item, for progress. */
    public Stage<T, R> size(ToLongFunction<? super T> bytes) {
        return size(bytes, Progress.Unit.BYTES);
    }

    /** How much work an item is, for progress. */
    public Stage<T, R> size(ToLongFunction<? super T> amount, Progress.Unit countedIn) {
        size = amount;
        unit = countedIn;
        return this;
    }

    /** Bytes of heap that a task holds while it does an item; what runs at once in an executor must fit there. */
    public Stage<T, R> memory(ToLongFunction<? super T> bytes) {
        memory = bytes;
        return this;
    }

    /** What is known from an earlier run, and who keeps what is learned; null for nobody. */
    public Stage<T, R> recall(Recall<R> known) {
        recall = known;
        return this;
    }

    /** What a stage of a block does, in a stage's name: {@code solve} of {@code blk.3: solve}. */
    public static String kind(String name) {
        int block = name.indexOf(": ");
        return block < 0 ? name : name.substring(block + 2);
    }

    /** The name it was given. */
    public String name() {
        return name;
    }

    /** What it is done with. */
    public List<T> items() {
        return items;
    }

    /**
     * Runs it.
     *
     * @return results in the order of the items
     * @throws InvalidInputException as a task threw it
     * @throws IOException as a task threw it, or Spark's reason, or the cluster's where it ended Spark
     */
    public List<R> run(Session session, Progress progress) throws IOException {
        Object[] results = new Object[items.size()];
        long total = 0;
        long recalled = 0;
        for (int i = 0; i < results.length; i++) {
            results[i] = recall == null ? null : recall.known(i);
            long work = size.applyAsLong(items.get(i));
            total += work;
            recalled += results[i] == null ? 0 : work;
        }
        int[] open = IntStream.range(0, results.length)
                .filter(i -> results[i] == null)
                .toArray();
        int known = results.length - open.length;
        Telemetry.ITEMS_RECALLED.add(known);
        progress.begin(name, total, unit);
        if (recalled > 0) {
            progress.recalled(recalled);
        }
        if (open.length > 0) {
            try {
                runOpen(open, total - recalled, session, progress, results);
            } catch (InvalidInputException e) {
                throw e;
            } catch (IOException | RuntimeException e) {
                throw session.explained(e);
            }
        } else {
            Events.info("stage.end", "stage", name, "items", 0, "recalled", known, "seconds", 0.0);
        }
        progress.end();
        List<R> ordered = new ArrayList<>(results.length);
        for (Object result : results) {
            ordered.add(typed(result));
        }
        return ordered;
    }

    private void runOpen(int[] open, long work, Session session, Progress progress, Object[] results)
            throws IOException {
        JavaSparkContext spark = session.context();
        Fit fit = session.fit(
                name,
                Arrays.stream(open)
                        .mapToLong(i -> memory.applyAsLong(items.get(i)))
                        .max()
                        .orElse(0));
        int[][] bundles = Bundles.of(open, i -> cost.applyAsDouble(items.get(i)), session.cores() * BUNDLES_PER_CORE);
        List<Load<T>> loads = new ArrayList<>();
        for (int[] bundle : bundles) {
            ArrayList<T> load = new ArrayList<>();
            Arrays.stream(bundle).forEach(i -> load.add(items.get(i)));
            loads.add(new Load<>(load, load.stream().mapToLong(memory).toArray()));
        }
        int known = results.length - open.length;
        Events.info(
                "stage.start",
                "stage",
                name,
                "items",
                open.length,
                "recalled",
                known,
                unit.name().toLowerCase(Locale.ROOT),
                work,
                "tasks",
                loads.size(),
                "memory",
                fit.taskBytes(),
                "coresPerTask",
                fit.coresPerTask());
        Telemetry.Running running = Telemetry.begin(name, unit, open.length, work);
        try {
            new Submission<>(spark, description, loads, task).run(session.profile(fit), (bundle, done) -> {
                long more = 0;
                for (int i = 0; i < done.length; i++) {
                    int item = bundles[bundle][i];
                    results[item] = done[i];
                    more += size.applyAsLong(items.get(item));
                    if (recall != null) {
                        recall.learned(item, typed(done[i]));
                    }
                }
                running.advance(done.length, more);
                progress.advance(more);
            });
        } catch (IOException | RuntimeException e) {
            Events.info(
                    "stage.failed",
                    "stage",
                    name,
                    "items",
                    running.itemsDone(),
                    "seconds",
                    running.seconds(),
                    "reason",
                    e.getMessage());
            throw e;
        }
        running.end();
        Events.info("stage.end", "stage", name, "items", open.length, "recalled", known, "seconds", running.seconds());
    }

    @SuppressWarnings("unchecked") // the arrays hold what the task returned
    private R typed(Object result) {
        return (R) result;
    }
}
