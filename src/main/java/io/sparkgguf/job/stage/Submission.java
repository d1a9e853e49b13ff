package io.sparkgguf.job.stage;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.spark.SimpleFutureAction;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkExecutorInfo;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.resource.ResourceProfile;
import scala.Option;
import scala.concurrent.ExecutionContext;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction0;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;
import scala.runtime.BoxedUnit;
import scala.util.Try;

/** The loads of a stage handed to Spark, a task each, and their results taken in by the thread that waits for them. */
final class Submission<T extends Serializable, R> {
    private static final long PATIENCE_NANOS = Duration.ofSeconds(20).toNanos();

    private final JavaSparkContext spark;
    private final String description;
    private final List<Load<T>> loads;
    private final Stage.Task<T, R> task;
    private final BlockingQueue<Message> inbox = new LinkedBlockingQueue<>();

    Submission(JavaSparkContext spark, String description, List<Load<T>> loads, Stage.Task<T, R> task) {
        this.spark = spark;
        this.description = description;
        this.loads = loads;
        this.task = task;
    }

    /** What Spark's threads tell: a task's delivery, or with no load the end of the job and why it failed, or null. */
    private record Message(int load, Delivery delivery, Throwable failure) {
        boolean isEnd() {
            return load < 0;
        }
    }

    /** Told of a load's results, once, though there may have been several attempts at it. */
    interface Arrival {
        void accept(int load, Object[] results) throws IOException;
    }

    /**
     * Runs it to its end, or to the first task that stops it.
     *
     * @param profile what each task gets, or null for what is usual
     */
    void run(ResourceProfile profile, Arrival arrival) throws IOException {
        SparkContext context = spark.sc();
        context.setJobGroup(description, description, true);
        context.setCallSite(description);
        SimpleFutureAction<BoxedUnit> job;
        try {
            job = submit(profile);
        } catch (RuntimeException failure) {
            throw explained(failure);
        } finally {
            context.clearCallSite();
            context.clearJobGroup();
        }
        try {
            Message message = take();
            while (!message.isEnd()) {
                arrival.accept(message.load(), message.delivery().results());
                message.delivery().requireDone();
                message = take();
            }
            if (message.failure() != null) {
                throw explained(message.failure());
            }
        } catch (IOException | RuntimeException e) {
            job.cancel(Option.apply("the stage has failed"));
            awaitIdle(spark);
            keepWhatArrived(arrival, e);
            throw e;
        }
    }

    private SimpleFutureAction<BoxedUnit> submit(ResourceProfile profile) {
        RDD<Load<T>> rdd = spark.parallelize(loads, loads.size()).rdd();
        List<Object> partitions = new ArrayList<>();
        for (int i = 0; i < loads.size(); i++) {
            partitions.add(i);
        }
        SimpleFutureAction<BoxedUnit> job = spark.sc()
                .submitJob(
                        profile == null ? rdd : rdd.withResources(profile),
                        new TaskBody<>(task),
                        CollectionConverters.asScala(partitions).toSeq(),
                        new AbstractFunction2<Object, Delivery, BoxedUnit>() {
                            @Override
                            public BoxedUnit apply(Object load, Delivery delivery) {
                                inbox.add(new Message((Integer) load, delivery, null));
                                return BoxedUnit.UNIT;
                            }
                        },
                        new AbstractFunction0<BoxedUnit>() {
                            @Override
                            public BoxedUnit apply() {
                                return BoxedUnit.UNIT;
                            }
                        });
        job.onComplete(
                new AbstractFunction1<Try<BoxedUnit>, BoxedUnit>() {
                    @Override
                    public BoxedUnit apply(Try<BoxedUnit> end) {
                        inbox.add(new Message(
                                -1, null, end.isFailure() ? end.failed().get() : null));
                        return BoxedUnit.UNIT;
                    }
                },
                ExecutionContext.fromExecutor(Runnable::run));
        return job;
    }

    private Message take() throws InterruptedIOException {
        try {
            return inbox.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("Cannot finish the stage: it was interrupted");
        }
    }

    /** A failed stage has results all the same, which a run that goes on from here need not make again. */
    private void keepWhatArrived(Arrival arrival, Exception reason) {
        try {
            for (Message message = inbox.poll(); message != null; message = inbox.poll()) {
                if (!message.isEnd()) {
                    arrival.accept(message.load(), message.delivery().results());
                }
            }
        } catch (IOException | RuntimeException e) {
            reason.addSuppressed(e);
        }
    }

    private IOException explained(Throwable failure) {
        return Failures.unwrap(failure);
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
        if (spark.sc().isStopped()) {
            return 0;
        }
        if (spark.sc().isLocal()) {
            return TaskBody.runningHere();
        }
        return Arrays.stream(spark.statusTracker().getExecutorInfos())
                .mapToInt(SparkExecutorInfo::numRunningTasks)
                .sum();
    }
}
