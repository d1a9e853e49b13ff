package io.sparkgguf.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A real standalone Spark cluster on loopback: a master and workers, every one a process of its own, and
 * executors that they start. It ends with all that it started when it is closed.
 */
public final class SparkCluster implements AutoCloseable {
    /** The launcher of this source tree. */
    public static final Path LAUNCHER = Path.of("submit", "spark-gguf");

    private static final Duration START = Duration.ofSeconds(60);
    private static final String EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend";
    private static final String DRIVER = "org.apache.spark.deploy.worker.DriverWrapper";

    private final Path folder;
    private final SparkHome home;
    private final String url;
    private final Process master;
    private final List<Process> workers = new ArrayList<>();
    private final List<Submission> submissions = new ArrayList<>();

    private SparkCluster(Path folder, SparkHome home, String url, Process master) {
        this.folder = folder;
        this.home = home;
        Runtime.getRuntime().addShutdownHook(new Thread(this::killAll)); // a test that is ended leaves nothing running
        this.url = url;
        this.master = master;
    }

    /**
     * Starts a master and its workers, and returns when all of them know each other.
     *
     * @param folder for logs and for what executors keep; must exist
     * @param cores of each worker, which may give away 4 GiB of memory
     */
    public static SparkCluster start(Path folder, int workers, int cores) throws IOException, InterruptedException {
        SparkHome home = SparkHome.link(folder.toAbsolutePath().resolve("spark"), SparkHome.provided());
        Path log = folder.resolve("master.log");
        Process master = daemon(
                home,
                log,
                "org.apache.spark.deploy.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--webui-port",
                "0");
        SparkCluster cluster = null;
        try {
            String line = Processes.awaitLine(master, log, text -> text.contains("Starting Spark master at "), START);
            cluster = new SparkCluster(
                    folder, home, line.replaceAll(".*Starting Spark master at (\\S+).*", "$1"), master);
            for (int i = 0; i < workers; i++) {
                cluster.startWorker(i, cores);
            }
            for (int i = 0; i < workers; i++) {
                Processes.awaitLine(
                        cluster.workers.get(i),
                        folder.resolve("worker-" + i + ".log"),
                        text -> text.contains("Successfully registered with master"),
                        START);
            }
            return cluster;
        } catch (IOException | InterruptedException | RuntimeException e) {
            Processes.killTrees(List.of(master.toHandle()));
            if (cluster != null) {
                cluster.close();
            }
            throw e;
        }
    }

    private void startWorker(int number, int cores) throws IOException {
        Path work = Files.createDirectories(workFolder(number));
        workers.add(daemon(
                home,
                folder.resolve("worker-" + number + ".log"),
                "org.apache.spark.deploy.worker.Worker",
                "--host",
                "127.0.0."
                        + (1 + number), // hosts of their own to Spark: it starts no second copy of a task on one host
                "--port",
                "0",
                "--webui-port",
                "0",
                "--cores",
                Integer.toString(cores),
                "--memory",
                "4g",
                "--work-dir",
                work.toAbsolutePath().toString(),
                url));
    }

    private static Process daemon(SparkHome home, Path log, String mainClass, String... arguments) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(home.java("256m", mainClass, arguments));
        home.describeTo(builder.environment());
        return Processes.start(log, builder);
    }

    /** What {@code --master} takes. */
    public String url() {
        return url;
    }

    /** Starts {@code submit/spark-gguf COMMAND --master URL ARGUMENTS}: the driver is its process. */
    public Submission submit(String command, String... arguments) throws IOException {
        return submit(Map.of(), command, List.of(arguments));
    }

    /** The same. */
    public Submission submit(String command, List<String> arguments) throws IOException {
        return submit(Map.of(), command, arguments);
    }

    /** The same with variables in the launcher's environment. */
    public synchronized Submission submit(Map<String, String> environment, String command, List<String> arguments)
            throws IOException {
        List<String> line = new ArrayList<>(List.of(command, "--master", url));
        line.addAll(arguments);
        Submission submission =
                Submission.start(LAUNCHER, folder, "submission-" + submissions.size(), environment, line);
        submissions.add(submission);
        return submission;
    }

    /** The executors that run now, found as a person would: the workers' children of that name. */
    public List<ProcessHandle> executors() throws IOException {
        return children(EXECUTOR);
    }

    /** The drivers that run now on workers: those of {@code --deploy-mode cluster}. */
    public List<ProcessHandle> drivers() throws IOException {
        return children(DRIVER);
    }

    private List<ProcessHandle> children(String mainClass) throws IOException {
        List<ProcessHandle> found = new ArrayList<>();
        for (Process worker : workers) {
            found.addAll(Processes.children(worker.toHandle(), mainClass));
        }
        return found;
    }

    /** Folders of all executors that ever ran, in the workers' folders. */
    public List<Path> executorFolders() throws IOException {
        return folders(2, "app-.*/\\d+");
    }

    /** Folders of all drivers that ever ran on workers, the oldest first. */
    public List<Path> driverFolders() throws IOException {
        return folders(1, "driver-.*");
    }

    private List<Path> folders(int depth, String pattern) throws IOException {
        List<Path> found = new ArrayList<>();
        for (int i = 0; i < workers.size(); i++) {
            Path work = workFolder(i);
            try (Stream<Path> tree = Files.walk(work, depth)) {
                tree.filter(path -> work.relativize(path).toString().matches(pattern))
                        .forEach(found::add);
            }
        }
        found.sort(Comparator.comparing(path -> path.getFileName().toString()));
        return found;
    }

    private Path workFolder(int worker) {
        return folder.resolve("worker-" + worker);
    }

    private synchronized void killAll() {
        submissions.forEach(Submission::close);
        List<ProcessHandle> all = new ArrayList<>(List.of(master.toHandle()));
        workers.forEach(worker -> all.add(worker.toHandle()));
        Processes.killTrees(all);
    }

    @Override
    public void close() throws IOException {
        killAll();
        home.unlink();
    }
}
