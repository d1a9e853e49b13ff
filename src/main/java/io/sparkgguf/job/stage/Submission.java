package io.sparkgguf.job.stage;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkExecutorInfo;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;
import scala.runtime.BoxedUnit;

/** A stage's bundles handed to Spark, one task each. */
final class Submission<T extends Serializable, R> {
    /** Tasks that run in this process: those of an embedded Spark. */
    private static final AtomicInteger RUNNING_HERE = new AtomicInteger();

    private static final long PATIENCE_NANOS = Duration.ofSeconds(20).toNanos();

    private final Session session;
    private final String description;
    private final List<ArrayList<T>> loads;
    private final Stage.Task<T, R> task;

    Submission(Session session, String description, List<ArrayList<T>> loads, Stage.Task<T, R> task) {
        this.session = session;
        this.description = description;
        this.loads = loads;
        this.task = task;
    }

    /** Told of the results of a bundle, once. */
    interface Arrival {
        void accept(int bundle, Object[] results) throws IOException;
    }

    void run(Arrival arrival) throws IOException {
        JavaSparkContext spark = session.context();
        SparkContext context = spark.sc();
        context.setJobGroup(description, description, true);
        context.setCallSite(description);
        try {
            submit(spark, arrival);
        } finally {
            context.clearCallSite();
            context.clearJobGroup();
        }
    }

    private void submit(JavaSparkContext spark, Arrival arrival) throws IOException {
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
                try {
                    arrival.accept((Integer) bundle, results);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
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
    static void awaitIdle(JavaSparkContext spark) {
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
        private final Stage.Task<T, R> task;

        Body(Stage.Task<T, R> task) {
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
                throw new UncheckedIOException(
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
                        throw new UncheckedIOException(e);
                    }
                }
            }
            return results.toArray();
        }
    }
}
