package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A cluster that cannot start an executor ends the application; the user reads one line that says so, and why. */
@Tag("cluster")
@Timeout(300)
class RemovedApplicationTest {
    @TempDir
    Path folder;

    private void refuses(SparkCluster cluster, String reason, String... more) throws Exception {
        Path output = folder.resolve("model.gguf");
        List<String> arguments = new ArrayList<>(List.of("--executor-memory", "512m"));
        arguments.addAll(List.of(more));
        arguments.addAll(List.of("--model", Path.of(DOCS_LM).toAbsolutePath().toString()));
        arguments.addAll(List.of("--output", output.toString(), "--type", "Q8_0"));
        try (Submission run = cluster.submit("quantize", arguments)) {
            assertEquals(1, run.await(Duration.ofSeconds(200)), run.err());
            List<String> lines = run.err()
                    .lines()
                    .filter(line -> line.startsWith("spark-gguf: Cannot"))
                    .toList();
            assertEquals(1, lines.size(), run.err());
            String expected = "spark-gguf: Cannot run on \\Q" + cluster.url() + "\\E: " + reason;
            assertTrue(lines.get(0).matches(expected), run.err());
            assertFalse(run.err().contains("\tat io.sparkgguf"), run.err());
        }
        assertFalse(Files.exists(output));
    }

    @Test
    void executorsThatCannotBeStarted() throws Exception {
        try (SparkCluster cluster = SparkCluster.start(folder, 1, 1, Map.of("spark.deploy.maxExecutorRetries", "2"))) {
            Path work = folder.resolve("worker-0");
            Files.delete(work);
            Files.createFile(work); // a worker without a place for its executors
            refuses(
                    cluster,
                    "Master removed our application: FAILED"
                            + " \\(last executor: java.io.IOException: Failed to create directory .*\\)");
        }
    }

    @Test
    void executorsThatEndAtOnce() throws Exception {
        try (SparkCluster cluster = SparkCluster.start(folder, 1, 1)) {
            refuses(
                    cluster,
                    "\\d+ executors ended and none came to work" + " \\(last executor: Command exited with code 1\\)",
                    "--conf",
                    "spark.executor.extraJavaOptions=-javaagent:/no/such/agent.jar");
        }
    }
}
