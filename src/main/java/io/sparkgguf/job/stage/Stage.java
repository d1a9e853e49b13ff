package io.sparkgguf.job.stage;

import java.io.IOException;
import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkExecutorInfo;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;
import scala.runtime.BoxedUnit;

/**
 * One Spark job of independent items. Small items travel in bundles, large ones alone, the costliest first, so that the
 * tail of the stage is short. Results come back by item, whatever the order in which they were done.
 */
public final class Stage {
    /** Bundles for each core: enough that the last ones even out the load. */
    private static final int BUNDLES_PER_CORE = 24;

    /** Tasks that run in this process: those of an embedded Spark. */
    private static final AtomicInteger RUNNING_HERE = new AtomicInteger();

    private static final long PATIENCE_NANOS = Duration.ofSeconds(20).toNanos();

    private Stage() {}

    /** What is done with an item on an executor. */
    public interface Task<T, R> extends Serializable {
        R run(T item) throws IOException;
    }

    /**
     * Runs {@code task} on every item.
     *
     * @param name shown in the Spark UI and as the stage of {@code progress}
     * @param cost estimated seconds of an item, for the order
     * @param size bytes of an item, for progress
     * @return results in the order of {@code items}
     */
    public static <T extends Serializable, R> List<R> run(
            JavaSparkContext spark,
            String name,
            List<T> items,
            ToDoubleFunction<T> cost,
            ToLongFunction<T> size,
            Task<T, R> task,
            Progress progress)
            throws IOException {
        return run(spark, name, items, cost, size, Progress.Unit.BYTES, task, progress);
    }

    /** The same with sizes in {@code unit}. */
    public static <T extends Serializable, R> List<R> run(
            JavaSparkContext spark,
            String name,
            List<T> items,
            ToDoubleFunction<T> cost,
            ToLongFunction<T> size,
            Progress.Unit unit,
            Task<T, R> task,
            Progress progress)
            throws IOException {
        int[][] bundles = bundle(items, cost, spark.defaultParallelism() * BUNDLES_PER_CORE);
        progress.begin(name, items.stream().mapToLong(size).sum(), unit);
        Object[] results = new Object[items.size()];
        if (bundles.length > 0) {
            List<ArrayList<T>> loads = new ArrayList<>();
            for (int[] bundle : bundles) {
                ArrayList<T> load = new ArrayList<>();
                Arrays.stream(bundle).forEach(i -> load.add(items.get(i)));
                loads.add(load);
            }
            spark.sc().setJobGroup(name, name, true);
            spark.sc().setCallSite(name);
            try {
                submit(spark, loads, task, (bundle, done) -> {
                    long work = 0;
                    for (int i = 0; i < done.length; i++) {
                        results[bundles[bundle][i]] = done[i];
                        work += size.applyAsLong(items.get(bundles[bundle][i]));
                    }
                    progress.advance(work);
                });
            } finally {
                spark.sc().clearCallSite();
                spark.sc().clearJobGroup();
            }
        }
        progress.end();
        List<R> ordered = new ArrayList<>(results.length);
        for (Object result : results) {
            @SuppressWarnings("unchecked") // the array holds what the task returned
            R typed = (R) result;
            ordered.add(typed);
        }
        return ordered;
    }

    /** Indices of items by bundle: costliest first, those below an even share together. */
    static <T> int[][] bundle(List<T> items, ToDoubleFunction<T> cost, int wanted) {
        double total = items.stream().mapToDouble(cost).sum();
        double share = total / Math.max(1, wanted);
        Integer[] order = new Integer[items.size()];
        Arrays.setAll(order, i -> i);
        Arrays.sort(
                order,
                Comparator.comparingDouble((Integer i) -> -cost.applyAsDouble(items.get(i)))
                        .thenComparing(Comparator.naturalOrder()));
        List<int[]> bundles = new ArrayList<>();
        int from = 0;
        while (from < order.length) {
            double sum = cost.applyAsDouble(items.get(order[from]));
            int to = from + 1;
            while (to < order.length && sum + cost.applyAsDouble(items.get(order[to])) <= share) {
                sum += cost.applyAsDouble(items.get(order[to]));
                to++;
            }
            bundles.add(Arrays.stream(order, from, to).mapToInt(i -> i).toArray());
            from = to;
        }
        return bundles.toArray(int[][]::new);
    }

    private interface Arrival {
        void accept(int bundle, Object[] results);
    }

    private static <T extends Serializable, R> void submit(
            JavaSparkContext spark, List<ArrayList<T>> loads, Task<T, R> task, Arrival arrival) throws IOException {
        JavaRDD<ArrayList<T>> rdd = spark.parallelize(loads, loads.size());
        List<Object> partitions = new ArrayList<>();
        for (int i = 0; i < loads.size(); i++) {
            partitions.add(i);
        }
        SparkContext context = spark.sc();
        scala.Function2<org.apache.spark.TaskContext, Iterator<ArrayList<T>>, Object[]> body = new Body<>(task);
        scala.runtime.AbstractFunction2<Object, Object[], BoxedUnit> handler = new scala.runtime.AbstractFunction2<>() {
            @Override
            public BoxedUnit apply(Object bundle, Object[] results) {
                arrival.accept((Integer) bundle, results);
                return BoxedUnit.UNIT;
            }
        };
        try {
            context.runJob(
                    rdd.rdd(),
                    body,
                    CollectionConverters.asScala(partitions).toSeq(),
                    handler,
                    ClassTag.apply(Object[].class));
        } catch (Exception failure) { // Scala throws what it likes
            if (context.isStopped()) {
                throw new IOException(
                        "Cannot finish the stage: Spark at " + context.master() + " ended or cannot be reached",
                        failure);
            }
            awaitIdle(spark);
            throw Failures.unwrap(failure);
        }
    }

    /**
     * Waits until tasks that were told to stop have stopped, so that none writes a file that was just removed. Not for
     * ever: a task that hangs must not keep a failed run from ending.
     */
    public static void awaitIdle(JavaSparkContext spark) {
        long start = System.nanoTime();
        int calm = 0;
        while (calm < 2 && System.nanoTime() - start < PATIENCE_NANOS) { // what Spark tells lags a little behind
            calm = running(spark) == 0 ? calm + 1 : 0;
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private static int running(JavaSparkContext spark) {
        if (spark.sc().isLocal()) {
            return RUNNING_HERE.get();
        }
        return Arrays.stream(spark.statusTracker().getExecutorInfos())
                .mapToInt(SparkExecutorInfo::numRunningTasks)
                .sum();
    }

    /** The body of a Spark task; a named class, so that its serialized form holds the task alone. */
    private static final class Body<T extends Serializable, R>
            extends scala.runtime.AbstractFunction2<org.apache.spark.TaskContext, Iterator<ArrayList<T>>, Object[]>
            implements Serializable {
        private static final long serialVersionUID = 1L;
        private final Task<T, R> task;

        Body(Task<T, R> task) {
            this.task = task;
        }

        @Override
        public Object[] apply(org.apache.spark.TaskContext context, Iterator<ArrayList<T>> loads) {
            RUNNING_HERE.incrementAndGet();
            try {
                return results(context, loads);
            } catch (OutOfMemoryError e) {
                // A large array did not fit: no reason to end the executor, which Spark does when it sees this as the
                // cause.
                throw new java.io.UncheckedIOException(
                        new IOException("Cannot finish the stage: a task ran out of memory (the heap may have "
                                + (Runtime.getRuntime().maxMemory() >> 20)
                                + " MiB); lower what a task holds (--unit-memory, in calibration"
                                + " --hessian-memory and --solve-memory), or give more"
                                + " with --executor-memory (--driver-memory without a cluster)"));
            } finally {
                RUNNING_HERE.decrementAndGet();
            }
        }

        private Object[] results(org.apache.spark.TaskContext context, Iterator<ArrayList<T>> loads) {
            List<Object> results = new ArrayList<>();
            while (loads.hasNext()) {
                for (T item : loads.next()) {
                    if (context.isInterrupted()) {
                        throw new IllegalStateException("Cannot go on: the task was cancelled");
                    }
                    try {
                        results.add(task.run(item));
                    } catch (IOException e) {
                        throw new java.io.UncheckedIOException(e);
                    }
                }
            }
            return results.toArray();
        }
    }
}
