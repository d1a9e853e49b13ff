package io.sparkgguf.job.stage;

import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;

/**
 * The Spark context of a run, started when the first stage needs it, and the storage that its configuration opens.
 *
 * <p>Under {@code spark-submit} the master comes from there; otherwise from the system property {@code spark.master},
 * which the launcher sets to {@code local[*]}.
 */
public final class Session implements AutoCloseable {
    /** What Spark's pages and event log do not show: its own pattern, and the names of keys that other stores use. */
    private static final String SECRETS = "(?i)secret|password|passwd|credential|token|access[.]?key|account[.]?key"
            + "|encryption[.]?key|private[.]?key|sas[.]";

    private static final String HADOOP_PREFIX = "spark.hadoop.";

    private static final String PLUGINS = "spark.plugins";

    private final SparkConf conf;
    /** So many executors may end before the first one works. */
    private static final int HOPELESS = 10;

    private final Cluster cluster;
    private final RunListener listener;
    private final Map<String, Fit> fits = new LinkedHashMap<>();
    private JavaSparkContext context;
    private volatile LastWords lastWords;
    private volatile boolean interrupted;

    public Session(String name) {
        conf = new SparkConf().setAppName(name).setIfMissing("spark.master", "local[*]");
        conf.setIfMissing("spark.redaction.regex", SECRETS);
        if (isLocal()) {
            // One process: no page to look at, no other host to listen to, and no retry of what fails for good.
            conf.setIfMissing("spark.ui.enabled", "false");
            conf.setIfMissing("spark.driver.host", "127.0.0.1");
            conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1");
        }
        String plugins = conf.get(PLUGINS, "");
        conf.set(PLUGINS, (plugins.isEmpty() ? "" : plugins + ",") + MetricsPlugin.class.getName());
        cluster = new Cluster(conf, isLocal());
        listener = new RunListener(isLocal());
    }

    /** Where tasks run, as Spark names it, for example {@code local[*]}. */
    public String master() {
        return conf.get("spark.master");
    }

    public boolean isLocal() {
        return isLocal(master());
    }

    /** Whether that is an embedded Spark. */
    static boolean isLocal(String master) {
        return master.equals("local") || master.startsWith("local[");
    }

    /** Cores that tasks run on, as far as Spark knows. */
    public int cores() throws IOException {
        context();
        return cluster.cores();
    }

    /** Bytes of the heap of a process that runs tasks, as it is configured; needs no context. */
    public long taskHeap() {
        return cluster.heap();
    }

    /**
     * Refuses tasks of which the processes that run them cannot hold even one. Needs no context.
     *
     * @param what kind of task, for example {@code factoring a Hessian}
     * @param bytes that one holds
     * @param remedy what would do beside more memory, for example {@code --unit-memory 32m}; null for nothing
     * @throws io.sparkgguf.tensor.InvalidInputException saying what would do
     */
    public void requireRoom(String what, long bytes, String remedy) {
        cluster.requireRoom(what, bytes, remedy);
    }

    /** How the tasks of the stages so far were fitted into memory, by kind of stage: its name without its block. */
    public synchronized Map<String, Fit> fits() {
        return new LinkedHashMap<>(fits);
    }

    /** Decides how many of a stage's tasks run at once. */
    synchronized Fit fit(String stage, long bytes) {
        Fit fit = cluster.fit(bytes);
        fits.merge(Stage.kind(stage), fit, (a, b) -> a.taskBytes() > b.taskBytes() ? a : b);
        return fit;
    }

    ResourceProfile profile(Fit fit) {
        return cluster.profile(fit);
    }

    /** Files by name, local ones and those of every Hadoop file system that the configuration knows. */
    public Storage storage() {
        Map<String, String> settings = new HashMap<>();
        for (scala.Tuple2<String, String> entry : conf.getAllWithPrefix(HADOOP_PREFIX)) {
            settings.put(entry._1(), entry._2());
        }
        return new HadoopStorage(settings);
    }

    /**
     * The context; started at the first call.
     *
     * @throws IOException when Spark does not start, with its reason
     */
    public synchronized JavaSparkContext context() throws IOException {
        if (context == null) {
            try {
                lastWords = isLocal() ? new LastWords() : LastWords.listen();
                context = new JavaSparkContext(conf);
                context.sc().addSparkListener(listener);
                cluster.started(context.sc());
                cluster.await(this::isHopeless);
            } catch (RuntimeException e) {
                throw new IOException("Cannot start Spark at " + master() + ": " + e.getMessage(), e);
            }
        }
        if (context.sc().isStopped()) {
            throw stopped(null);
        }
        if (isHopeless()) {
            throw new IOException("Cannot run on %s: %d executors ended and none came to work%s"
                    .formatted(master(), listener.lostInVain(), lastLoss()));
        }
        return context;
    }

    /** Whether executors end as soon as they start: a standalone master would try for ever. */
    private boolean isHopeless() {
        return listener.lostInVain() >= HOPELESS;
    }

    private String lastLoss() {
        String reason = listener.lastLoss() == null ? lastWords.executor() : listener.lastLoss();
        return reason == null ? "" : " (last executor: " + reason + ")";
    }

    /** What to tell of a failure: what ended Spark, where Spark was ended underneath. */
    IOException explained(Exception failure) throws IOException {
        JavaSparkContext running;
        synchronized (this) {
            running = context;
        }
        if (running != null && running.sc().isStopped()) {
            return stopped(failure);
        }
        if (failure instanceof RuntimeException unforeseen) {
            throw unforeseen;
        }
        return (IOException) failure;
    }

    private IOException stopped(Exception failure) {
        return new IOException(
                "Cannot run on " + master() + ": "
                        + (lastWords.killed() == null ? "Spark ended or cannot be reached" : lastWords.killed())
                        + lastLoss(),
                failure);
    }

    /**
     * A file's name such that executors, which run in folders of their own, mean the same file; null stays null.
     *
     * @throws InvalidInputException for a relative path when the driver, too, runs in a folder that the cluster chose
     */
    public String everywhere(String file) {
        if (file == null || file.isEmpty() || isLocal() || !Names.scheme(file).isEmpty()) {
            return file;
        }
        if (!Path.of(file).isAbsolute()
                && conf.get("spark.submit.deployMode", "client").equals("cluster")) {
            throw new InvalidInputException(
                    "Cannot use " + file + " with --deploy-mode cluster: the driver runs in a folder"
                            + " of its own, so name an absolute path or a URI");
        }
        return Path.of(file).toAbsolutePath().toString();
    }

    /** Whether the process was told to end. */
    public boolean isInterrupted() {
        return interrupted;
    }

    /** Ends what goes on, for good: when this returns, no task writes a file any more. */
    public void interrupt() {
        interrupted = true;
        listener.ending();
        JavaSparkContext running;
        synchronized (this) {
            running = context;
        }
        if (running != null && !running.sc().isStopped()) {
            running.cancelAllJobs();
            Submission.awaitIdle(running);
        }
    }

    @Override
    public synchronized void close() {
        if (context != null && !interrupted) { // else Spark's own end of the process does it, while we tell why
            listener.ending();
            context.close();
            context = null;
        }
    }
}
