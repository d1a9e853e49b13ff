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
        cluster = SparkCluster.start(folder, 2);
    }

    @AfterAll
    static void stop() throws IOException {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Test
    void clientMode() throws Exception {
        Path output = folder.resolve("client/model.gguf");
        Files.createDirectories(output.getParent());
        try (Submission run = cluster.submit(
                "quantize",
                "--executor-memory",
                "1g",
                "--model",
                Path.of(DOCS_LM).toAbsolutePath().toString(),
                "--output",
                output.toString(),
                "--type",
                "Q4_K_M",
                "--unit-memory",
                "1m")) {
            assertEquals(0, run.await(RUN), run.err());
        }
        assertEquals(expected, Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(output.getParent()));
        JsonNode report =
                new ObjectMapper().readTree(Path.of(output + ".report.json").toFile());
        assertTrue(report.toString().contains(cluster.url()), "the report names where it ran");
        assertEquals(2, cluster.executorFolders().size(), "both workers had an executor");
    }
}
