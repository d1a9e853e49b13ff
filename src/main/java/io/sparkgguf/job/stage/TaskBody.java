package io.sparkgguf.job.stage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.TaskContext;
import scala.collection.Iterator;

/** The body of a Spark task; a named class, so that its serialized form holds the task alone. */
final class TaskBody<T extends Serializable, R> extends scala.runtime.AbstractFunction1<Iterator<Load<T>>, Delivery>
        implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Tasks that run in this process: those of an embedded Spark, seen from its driver. */
    private static final AtomicInteger RUNNING_HERE = new AtomicInteger();

    private final Stage.Task<T, R> task;

    TaskBody(Stage.Task<T, R> task) {
        this.task = task;
    }

    static int runningHere() {
        return RUNNING_HERE.get();
    }

    @Override
    public Delivery apply(Iterator<Load<T>> loads) {
        RUNNING_HERE.incrementAndGet();
        TaskTraffic traffic = TaskTraffic.begin(TaskContext.get());
        try {
            return deliver(TaskContext.get(), loads);
        } finally {
            traffic.end();
            RUNNING_HERE.decrementAndGet();
        }
    }

    private Delivery deliver(TaskContext context, Iterator<Load<T>> loads) {
        List<Object> results = new ArrayList<>();
        try {
            while (loads.hasNext()) {
                Load<T> load = loads.next();
                for (int i = 0; i < load.items().size(); i++) {
                    if (context.isInterrupted()) {
                        throw new IllegalStateException("Cannot go on: the task was cancelled");
                    }
                    T item = load.items().get(i);
                    results.add(MemoryGate.HERE.holding(load.memory()[i], () -> {
                        long start = System.nanoTime();
                        R result = task.run(item);
                        Telemetry.itemDone(System.nanoTime() - start);
                        return result;
                    }));
                }
            }
            return new Delivery(results.toArray(), null, null);
        } catch (InvalidInputException e) {
            return new Delivery(results.toArray(), e.getMessage(), null);
        } catch (OutOfMemoryError e) {
            // A large array did not fit: no reason to end the executor, which Spark does when it sees this as the
            // cause.
            return new Delivery(results.toArray(), null, outOfMemory());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String outOfMemory() {
        return "Cannot finish the stage: a task ran out of memory (the heap may have "
                + (Runtime.getRuntime().maxMemory() >> 20)
                + " MiB); lower what a task holds (--unit-memory, in calibration --hessian-memory and --solve-memory), or"
                + " give more with --executor-memory (--driver-memory without a cluster)";
    }
}
