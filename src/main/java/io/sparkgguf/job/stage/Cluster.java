package io.sparkgguf.job.stage;

import io.sparkgguf.tensor.InvalidInputException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;
import org.apache.spark.status.api.v1.ExecutorSummary;
import scala.jdk.javaapi.CollectionConverters;

/** The processes that run the tasks of a session: how many cores they have, and what fits into their heaps. */
final class Cluster {
    private static final Duration FIRST_EXECUTOR = Duration.ofSeconds(60);
    private static final Duration EXPECTED_EXECUTORS = Duration.ofSeconds(30);
    private static final Duration LATE_EXECUTORS = Duration.ofSeconds(1);

    /** Where executors come as they are needed, what may come is counted up to here. */
    private static final int MOST_CORES_TO_COME = 4096;

    private final SparkConf conf;
    private final boolean local;
    private final Map<Integer, ResourceProfile> profiles = new ConcurrentHashMap<>();
    private SparkContext context;

    Cluster(SparkConf conf, boolean local) {
        this.conf = conf;
        this.local = local;
    }

    /** The context is there: executors register with it from now on. */
    void started(SparkContext spark) {
        context = spark;
    }

    /** Bytes of the heap of a process that runs tasks. */
    long heap() {
        return local ? Runtime.getRuntime().maxMemory() : conf.getSizeAsMb("spark.executor.memory", "1g") << 20;
    }

    /** The option that gives more of it. */
    String heapOption() {
        return local ? "--driver-memory" : "--executor-memory";
    }

    private int coresPerTask() {
        return conf.getInt("spark.task.cpus", 1);
    }

    private boolean comesAndGoes() {
        return conf.getBoolean("spark.dynamicAllocation.enabled", false);
    }

    /** Cores of all executors, or those that may come. */
    int cores() {
        int now = context.defaultParallelism();
        if (local || !comesAndGoes()) {
            return now;
        }
        long most = (long) conf.getInt("spark.dynamicAllocation.maxExecutors", Integer.MAX_VALUE)
                * conf.getInt("spark.executor.cores", 1);
        return (int) Math.max(now, Math.min(most, MOST_CORES_TO_COME));
    }

    /**
     * Waits for executors, for how the work is cut depends on how many there are. Where it is not known how many will come,
     * until no more come; where none comes, Spark itself says so and goes on waiting.
     *
     * @param hopeless ends the waiting
     */
    void await(BooleanSupplier hopeless) {
        if (local || comesAndGoes()) {
            return;
        }
        long start = System.nanoTime();
        long news = start;
        int cores = 0;
        while (true) {
            List<ExecutorSummary> executors = executors();
            int found = executors.stream().mapToInt(ExecutorSummary::totalCores).sum();
            long now = System.nanoTime();
            if (found != cores) {
                cores = found;
                news = now;
            }
            int instances = conf.getInt("spark.executor.instances", 0);
            int mostCores = conf.getInt("spark.cores.max", 0);
            boolean expectation = instances > 0 || mostCores > 0;
            boolean met = instances > 0 ? executors.size() >= instances : expectation && cores >= mostCores;
            Duration patience = cores == 0 ? FIRST_EXECUTOR : expectation ? EXPECTED_EXECUTORS : LATE_EXECUTORS;
            long since = now - (expectation ? start : news);
            if (met || since > patience.toNanos() || context.isStopped() || hopeless.getAsBoolean()) {
                return;
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private List<ExecutorSummary> executors() {
        return CollectionConverters.asJava(context.statusStore().executorList(true)).stream()
                .filter(executor -> !executor.id().equals("driver"))
                .toList();
    }

    /** How tasks that hold so many bytes fit. */
    Fit fit(long bytes) {
        long fitting = bytes <= 0 ? Integer.MAX_VALUE : Math.max(1, TaskHeap.usable(heap()) / bytes);
        int cores = coresOfExecutor();
        int least = coresPerTask();
        if (local || comesAndGoes() || cores == 0) { // the gate of the process keeps the rest
            int most = local ? context.defaultParallelism() : cores / least;
            return new Fit(bytes, least, (int) Math.min(fitting, most));
        }
        int each = TaskHeap.coresPerTask(heap(), cores, least, bytes);
        return new Fit(bytes, each, cores / each);
    }

    private int coresOfExecutor() {
        return local
                ? context.defaultParallelism()
                : executors().stream()
                        .mapToInt(ExecutorSummary::totalCores)
                        .max()
                        .orElse(conf.getInt("spark.executor.cores", 0));
    }

    /** A profile that gives tasks so many cores; null where they get them anyway. */
    ResourceProfile profile(Fit fit) {
        if (local || fit.coresPerTask() <= coresPerTask()) {
            return null;
        }
        return profiles.computeIfAbsent(
                fit.coresPerTask(),
                cores -> new ResourceProfileBuilder()
                        .require(new TaskResourceRequests().cpus(cores))
                        .build());
    }

    /** Refuses tasks of which not even one fits. */
    void requireRoom(String what, long bytes, String remedy) {
        if (bytes > TaskHeap.usable(heap())) {
            throw new InvalidInputException(
                    "Cannot run here: %s holds %,d MiB in a task, of a heap of %,d MiB tasks get %,d; use %s %dm or more%s"
                            .formatted(
                                    what,
                                    TaskHeap.mebibytes(bytes),
                                    heap() >> 20,
                                    TaskHeap.usable(heap()) >> 20,
                                    heapOption(),
                                    TaskHeap.heapFor(bytes) >> 20,
                                    remedy == null ? "" : ", or " + remedy));
        }
    }
}
