package io.sparkgguf.bench;

import io.sparkgguf.assemble.ByteRange;
import io.sparkgguf.assemble.Copied;
import io.sparkgguf.assemble.Part;
import io.sparkgguf.assemble.RangeCopier;
import io.sparkgguf.cluster.MiniHdfs;
import io.sparkgguf.cluster.S3Server;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.Storage;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileSystem;

/**
 * Puts a large file of zeros together from sparse parts and publishes it, as the main job does: on HDFS (a namenode and a
 * datanode in this process) or on S3 (a store in a process of its own), by two executors in processes of their own. Tells
 * how long it takes, and how many bytes passed the driver by the statistics of Hadoop's file systems.
 */
public final class CommitBenchmark {
    /** As long as the results of work units are, which read and write 64 MiB at the most. */
    private static final long PART = 50_000_000;

    private CommitBenchmark() {}

    /** Arguments: {@code local}, {@code hdfs} or {@code s3}; GiB; a folder with room for about twice as much. */
    public static void main(String[] arguments) throws Exception {
        String place = arguments[0];
        Path folder = Files.createTempDirectory(
                Path.of(arguments.length > 2 ? arguments[2] : "target").toAbsolutePath(), "commit");
        try {
            switch (place) {
                case "local" -> drive(arguments[1], folder, folder + "/x.gguf", Map.of());
                case "hdfs" -> {
                    try (MiniHdfs hdfs = MiniHdfs.start(folder.resolve("hdfs"), 1)) {
                        drive(arguments[1], folder, hdfs.uri() + "/x.gguf", Map.of());
                    }
                }
                case "s3" -> {
                    try (S3Server server = S3Server.start(folder)) {
                        server.createBucket("bench");
                        drive(
                                arguments[1],
                                folder,
                                "s3a://bench/x.gguf",
                                patient(S3Server.settings(server.endpoint())));
                    }
                }
                default ->
                    throw new IllegalArgumentException("Cannot write to " + place + ": it is none of local, hdfs, s3");
            }
        } finally {
            delete(folder);
        }
    }

    /** The store of the tests copies a file while it completes an upload, and says nothing meanwhile. */
    private static Map<String, String> patient(Map<String, String> settings) {
        Map<String, String> all = new LinkedHashMap<>(settings);
        all.put("spark.hadoop.fs.s3a.connection.timeout", "30m");
        all.put("spark.hadoop.fs.s3a.connection.request.timeout", "30m");
        return all;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** The driver in a process of its own, whose statistics are its own too. */
    private static void drive(String size, Path folder, String target, Map<String, String> settings)
            throws IOException, InterruptedException {
        Path home = folder.resolve("spark");
        Files.createDirectories(home.resolve("jars")); // the classes come from this JVM's class path
        String classes = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(entry -> Path.of(entry).toAbsolutePath().toString()) // executors run elsewhere
                .collect(Collectors.joining(File.pathSeparator));
        Map<String, String> all = new LinkedHashMap<>(settings);
        all.put("spark.master", "local-cluster[2,1,2048]");
        all.put("spark.executor.memory", "1g");
        all.put("spark.executor.extraClassPath", classes);
        all.put("spark.driver.host", "127.0.0.1");
        all.put("spark.ui.enabled", "false");
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(flag -> flag.startsWith("--") || flag.startsWith("-D") || flag.startsWith("-XX"))
                .forEach(command::add);
        command.add("-Xmx512m");
        all.forEach((key, value) -> command.add("-D" + key + "=" + value));
        command.addAll(List.of("-cp", classes, Driver.class.getName(), size, folder.toString(), target));
        ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
        builder.environment().put("SPARK_HOME", home.toString());
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        builder.environment().put("SPARK_WORKER_DIR", folder.resolve("work").toString());
        int code = builder.start().waitFor();
        if (code != 0) {
            throw new IOException("The driver ended with " + code);
        }
    }

    /** The driver's process. */
    static final class Driver {
        private Driver() {}

        public static void main(String[] arguments) throws IOException {
            long total = (long) (Double.parseDouble(arguments[0]) * (1L << 30));
            List<Part> parts = parts(Path.of(arguments[1]), total);
            try (Session session = new Session("commit")) {
                session.context();
                put(session, arguments[2], total, parts);
            }
        }

        private static List<Part> parts(Path folder, long total) throws IOException {
            long rest = total % PART;
            long whole = zeros(PART);
            List<Part> parts = new ArrayList<>();
            for (long at = 0; at < total; at += PART) {
                long length = Math.min(PART, total - at);
                Path file = folder.resolve("part-" + parts.size());
                try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
                    sparse.setLength(length);
                }
                parts.add(new Part(parts.size(), file.toString(), at, length, length == PART ? whole : zeros(rest)));
            }
            return parts;
        }

        private static long zeros(long count) {
            byte[] zeros = new byte[1 << 20];
            Digest digest = new Digest();
            for (long done = 0; done < count; done += zeros.length) {
                digest.update(zeros, 0, (int) Math.min(zeros.length, count - done));
            }
            return digest.value();
        }

        private static void put(Session session, String target, long total, List<Part> parts) throws IOException {
            Storage storage = session.storage();
            long start = System.nanoTime();
            FileCommit commit = storage.commit(target, total);
            commit.begin(null);
            long length = ByteRange.length(total, ByteRange.LENGTH, commit.leastRange(), commit.mostRanges());
            List<ByteRange> ranges = ByteRange.cut(0, total, length, parts);
            RangeCopier copier = new RangeCopier(storage, List.of(commit.sink(ranges.size())));
            long begun = System.nanoTime();
            List<Copied> copied = Stage.of("assemble", ranges, copier::run)
                    .cost(ByteRange::length)
                    .memory(range -> RangeCopier.MEMORY + commit.memory(range.length()))
                    .run(session, Progress.SILENT);
            long put = System.nanoTime();
            commit.seal(copied.stream().map(Copied::receipt).toList());
            commit.publish();
            long done = System.nanoTime();
            System.out.printf(
                    "%s: %,d bytes in %d ranges: begun in %.1f s, put in %.1f s (%.0f MiB/s), sealed and published in %.1f s%n",
                    target,
                    storage.status(target).length(),
                    ranges.size(),
                    (begun - start) / 1e9,
                    (put - begun) / 1e9,
                    total / 1048576.0 / ((put - begun) / 1e9),
                    (done - put) / 1e9);
            FileSystem.getAllStatistics()
                    .forEach(statistics -> System.out.printf(
                            "driver, %s: %,d bytes read, %,d bytes written%n",
                            statistics.getScheme(), statistics.getBytesRead(), statistics.getBytesWritten()));
        }
    }
}
