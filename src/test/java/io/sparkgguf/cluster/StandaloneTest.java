package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The README's lines on a standalone master with two workers: the bytes of one thread, from executors of their own. */
@Tag("cluster")
@Timeout(600)
class StandaloneTest {
    private static final String MODEL = Path.of(DOCS_LM).toAbsolutePath().toString();
    private static final Duration RUN = Duration.ofSeconds(300);

    @TempDir
    static Path folder;

    private static SparkCluster cluster;
    private static String expected;

    @BeforeAll
    static void start() throws Exception {
        Path reference = folder.resolve("reference.gguf");
        Outcome outcome = Cli.runOn(
                "local[1]", "quantize", "--model", DOCS_LM, "--output", reference.toString(), "--type", "Q4_K_M");
        assertEquals(0, outcome.code(), outcome.err());
        expected = Cli.sha256(reference);
        cluster = SparkCluster.start(folder, 2, 2);
    }

    @AfterAll
    static void stop() throws IOException {
        if (cluster != null) {
            cluster.close();
        }
    }

    /** Quantizes docs-lm with more options, into a folder of its own, which must succeed. */
    private static Path quantize(Path launcher, String name, String... more) throws Exception {
        Path output = Files.createDirectories(folder.resolve(name)).resolve("model.gguf");
        List<String> arguments =
                new ArrayList<>(List.of("--executor-memory", "1g", "--unit-memory", "1m", "--type", "Q4_K_M"));
        arguments.addAll(List.of("--model", MODEL, "--output", output.toString()));
        arguments.addAll(List.of(more));
        try (Submission run = cluster.submit(launcher, "quantize", arguments)) {
            assertEquals(0, run.await(RUN), run.err());
        }
        assertEquals(expected, Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(output.getParent()));
        return output;
    }

    @Test
    void clientMode() throws Exception {
        int before = cluster.executorFolders().size();
        Path output = quantize(SparkCluster.LAUNCHER, "client");
        JsonNode report =
                new ObjectMapper().readTree(Path.of(output + ".report.json").toFile());
        assertTrue(report.toString().contains(cluster.url()), "the report names where it ran");
        assertEquals(before + 2, cluster.executorFolders().size(), "both workers had an executor");
    }

    /** Steps that two executors share, with what they give each other in files: the bytes of whole blocks on one thread. Then all blocks. */
    @Test
    void trainedStepByStepOnTwoExecutors() throws Exception {
        List<String> options = List.of(
                "--type",
                "Q2_K",
                "--calibration",
                Path.of(DOCS_LM, "samples-calibration.txt").toAbsolutePath().toString(),
                "--calibration-tokens",
                "1024",
                "--sequence-length",
                "128",
                "--method",
                "qat",
                "--qat-tensors",
                "blk\\.[05]\\.ffn",
                "--qat-steps",
                "3",
                "--qat-model-steps",
                "2",
                "--qat-learning-rate",
                "0.01");
        Path alone = folder.resolve("trained-alone.gguf");
        List<String> local = new ArrayList<>(List.of("quantize", "--model", MODEL, "--output", alone.toString()));
        local.addAll(options);
        Outcome outcome = Cli.runOn("local[1]", local.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        Path output = folder.resolve("trained.gguf");
        List<String> arguments = new ArrayList<>(List.of("--executor-memory", "1g", "--qat-spread", "sequences"));
        arguments.addAll(List.of("--model", MODEL, "--output", output.toString()));
        arguments.addAll(options);
        try (Submission run = cluster.submit("quantize", arguments.toArray(String[]::new))) {
            assertEquals(0, run.await(RUN), run.err());
        }
        assertEquals(Cli.sha256(alone), Cli.sha256(output));
    }

    @Test
    void clusterModeFromAPackage() throws Exception {
        Path packaged = folder.resolve("package");
        try (Submission run = Submission.start(
                SparkCluster.LAUNCHER,
                folder,
                "package",
                Map.of(),
                List.of("package", packaged.toString(), "--with-spark"))) {
            assertEquals(0, run.await(RUN), run.err());
        }
        int before = cluster.driverFolders().size();
        String lib = packaged.resolve("lib").toUri().toString();
        quantize(packaged.resolve("submit/spark-gguf"), "cluster", "--deploy-mode", "cluster", "--lib", lib);
        assertEquals(before + 1, cluster.driverFolders().size(), "the driver ran on a worker");
    }

    @Test
    void clusterModeTellsThatTheDriverFailed() throws Exception {
        try (Submission run = cluster.submit(
                "quantize",
                "--deploy-mode",
                "cluster",
                "--model",
                MODEL,
                "--output",
                "model.gguf",
                "--type",
                "Q4_K_M")) {
            assertEquals(1, run.await(RUN), run.err());
            String reason = run.err().lines().reduce((first, last) -> last).orElseThrow();
            assertTrue(
                    reason.matches("spark-gguf: Cannot finish: driver-\\S+ ended as FAILED; its standard error, .*"),
                    run.err());
            List<Path> drivers = cluster.driverFolders();
            String stderr = Files.readString(drivers.get(drivers.size() - 1).resolve("stderr"));
            assertTrue(
                    stderr.contains(
                            "spark-gguf: Cannot use model.gguf with --deploy-mode cluster: the driver runs in a folder"
                                    + " of its own, so name an absolute path or a URI"),
                    stderr);
        }
    }
}
