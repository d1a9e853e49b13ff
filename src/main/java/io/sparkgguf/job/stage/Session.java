package io.sparkgguf.job.stage;

import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * The Spark context of a run, started when the first stage needs it, and the storage that its configuration opens.
 *
 * <p>Under {@code spark-submit} the master comes from there; otherwise from the system property {@code spark.master},
 * which the launcher sets to {@code local[*]}.
 */
public final class Session implements AutoCloseable {
    private static final String HADOOP_PREFIX = "spark.hadoop.";

    private final SparkConf conf;
    private JavaSparkContext context;
    private volatile boolean interrupted;

    public Session(String name) {
        conf = new SparkConf().setAppName(name).setIfMissing("spark.master", "local[*]");
        if (isLocal()) {
            // One process: no page to look at, no other host to listen to, and no retry of what fails for good.
            conf.setIfMissing("spark.ui.enabled", "false");
            conf.setIfMissing("spark.driver.host", "127.0.0.1");
            conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1");
        }
    }

    /** Where tasks run, as Spark names it, for example {@code local[*]}. */
    public String master() {
        return conf.get("spark.master");
    }

    public boolean isLocal() {
        return master().equals("local") || master().startsWith("local[");
    }

    /** Cores that tasks run on, as far as Spark knows. */
    public int cores() throws IOException {
        return context().defaultParallelism();
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
                context = new JavaSparkContext(conf);
            } catch (RuntimeException e) {
                throw new IOException("Cannot start Spark at " + master() + ": " + e.getMessage(), e);
            }
        }
        return context;
    }

    /** A file's name such that executors, which run in folders of their own, mean the same file; null stays null. */
    public String everywhere(String file) {
        return file == null
                        || file.isEmpty()
                        || isLocal()
                        || !Names.scheme(file).isEmpty()
                ? file
                : Path.of(file).toAbsolutePath().toString();
    }

    /** Whether the process was told to end. */
    public boolean isInterrupted() {
        return interrupted;
    }

    /** Ends what goes on, for good: when this returns, no task writes a file any more. */
    public void interrupt() {
        interrupted = true;
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
            context.close();
            context = null;
        }
    }
}
