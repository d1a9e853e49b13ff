package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code kill -9} of an executor that is sending a part of a multipart upload: it stands still at the unit that it was to
 * send next. The upload goes on with another executor, the bytes are the same, and nothing is left behind.
 */
@Tag("cluster")
@Tag("long")
@Timeout(600)
class KilledUploadTest {
    private static final Duration RUN = Duration.ofSeconds(300);

    /** Units are opened for nothing else than to be sent. */
    private static final String SENDING = "executor open .*/unit-.*";

    private static final int AT = 40;
    private static final String BUCKET = "killed";
    private static final String CLIENT = ".*/(software/amazon|hadoop-aws|reactive-streams|httpcomponents)/.*\\.jar";

    @TempDir
    private Path folder;

    /** Looks at the place while the executor stands still. */
    private interface Look {
        void look() throws Exception;
    }

    private void survives(String output, Map<String, String> settings, Look whileHeld) throws Exception {
        HoldPoint point = HoldPoint.of(folder.resolve("point"), SENDING, AT);
        List<String> arguments = new ArrayList<>();
        settings.forEach((key, value) -> arguments.addAll(List.of("--conf", key + "=" + value)));
        arguments.addAll(Recipe.PLAIN.arguments(output, folder.resolve("work"), point));
        try (SparkCluster cluster = SparkCluster.start(folder, 1, 1)) {
            try (Submission run = cluster.submit("quantize", arguments)) {
                HoldPoint.Held held = point.await(run);
                whileHeld.look();
                Processes.kill(held.process());
                assertEquals(0, run.await(RUN), run.err());
            }
            assertEquals(2, cluster.executorFolders().size(), "the killed executor was replaced");
        }
        assertTrue(point.counted() > AT, "nothing was sent after the executor was killed");
    }

    @Test
    void toHdfs() throws Exception {
        try (MiniHdfs hdfs = MiniHdfs.start(folder.resolve("hdfs"), 2)) {
            FileSystem files = hdfs.fileSystem();
            files.mkdirs(path("/out"));
            survives(
                    hdfs.uri() + "/out/model.gguf",
                    Map.of(),
                    () -> assertFalse(files.exists(path("/out/model.gguf")), "it has its name before it is whole"));
            assertEquals(
                    List.of("model.gguf", "model.gguf.report.json"),
                    Arrays.stream(files.listStatus(path("/out")))
                            .map(FileStatus::getPath)
                            .map(org.apache.hadoop.fs.Path::getName)
                            .sorted()
                            .toList());
            assertEquals(
                    List.of("out"),
                    Arrays.stream(files.listStatus(path("/")))
                            .map(entry -> entry.getPath().getName())
                            .toList());
            Path copy = folder.resolve("copy");
            files.copyToLocalFile(false, path("/out/model.gguf"), path(copy.toString()), true);
            assertEquals(Recipe.PLAIN.undisturbed(folder), Cli.sha256(copy));
        }
    }

    @Test
    void toS3() throws Exception {
        try (S3Server server = S3Server.start(folder)) {
            server.createBucket(BUCKET);
            Map<String, String> settings = new LinkedHashMap<>(S3Server.settings(server.endpoint()));
            String client = Arrays.stream(System.getProperty("java.class.path").split(":"))
                    .filter(jar -> jar.matches(CLIENT))
                    .collect(Collectors.joining(":"));
            settings.put("spark.driver.extraClassPath", client);
            settings.put("spark.executor.extraClassPath", client);
            survives("s3a://" + BUCKET + "/out/model.gguf", settings, () -> {
                assertEquals(List.of("out/model.gguf"), server.openUploads(BUCKET));
                assertFalse(server.keys(BUCKET).contains("out/model.gguf"), "it is there before it is whole");
            });
            assertEquals(List.of(), server.openUploads(BUCKET));
            assertEquals(
                    List.of("out/model.gguf", "out/model.gguf.report.json"),
                    server.keys(BUCKET).stream()
                            .filter(key -> !key.endsWith("/"))
                            .sorted()
                            .toList());
            Path copy = Files.write(folder.resolve("copy"), server.get(BUCKET, "out/model.gguf"));
            assertEquals(Recipe.PLAIN.undisturbed(folder), Cli.sha256(copy));
        }
    }

    private static org.apache.hadoop.fs.Path path(String name) {
        return new org.apache.hadoop.fs.Path(name);
    }
}
