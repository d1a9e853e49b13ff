package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} of an executor at points where much is half done: the run goes on, and makes the same bytes. */
@Tag("cluster")
@Timeout(1200)
class KilledExecutorTest {
    private static final Duration RUN = Duration.ofSeconds(600);
    private static final String MODEL = Path.of(DOCS_LM).toAbsolutePath().toString();
    private static final List<String> PLAIN = List.of("--model", MODEL, "--type", "Q4_K_M", "--unit-memory", "1m");
    private static final List<String> CALIBRATED = List.of(
            "--model",
            MODEL,
            "--type",
            "Q3_K_M",
            "--calibration",
            Path.of(MODEL, "samples-calibration.txt").toString(),
            "--calibration-tokens",
            "2048",
            "--sequence-length",
            "256",
            "--shard-tokens",
            "512");

    @TempDir
    static Path folder;

    private static SparkCluster cluster;

    @BeforeAll
    static void start() throws IOException, InterruptedException {
        cluster = SparkCluster.start(folder, 2, 1);
    }

    @AfterAll
    static void stop() throws IOException {
        if (cluster != null) {
            cluster.close();
        }
    }

    /** The digest of what one thread makes, undisturbed. */
    private static String undisturbed(String name, List<String> options) throws IOException {
        Path output = folder.resolve(name + "-undisturbed.gguf");
        List<String> command = new ArrayList<>(List.of("quantize", "--output", output.toString()));
        command.addAll(options);
        Outcome outcome = Cli.runOn("local[1]", command.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return Cli.sha256(output);
    }

    private static void survives(String name, List<String> options, String pattern, long at) throws Exception {
        Path results = Files.createDirectories(folder.resolve(name));
        Path output = results.resolve("model.gguf");
        HoldPoint point = HoldPoint.of(folder.resolve(name + "-point"), pattern, at);
        List<String> arguments = new ArrayList<>(point.options());
        arguments.addAll(List.of("--executor-memory", "1g", "--output", output.toString()));
        arguments.addAll(List.of("--work-dir", HoldPoint.work(folder.resolve(name + "-work"))));
        arguments.addAll(options);
        int before = cluster.executorFolders().size();
        try (Submission run = cluster.submit("quantize", arguments.toArray(String[]::new))) {
            String killed = point.kill(run);
            assertTrue(killed.startsWith("executor "), killed);
            assertEquals(0, run.await(RUN), run.err());
        }
        assertTrue(point.counted() > at, "the pattern matched only what was killed: the point was not in the middle");
        assertEquals(undisturbed(name, options), Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(results));
        assertEquals(before + 3, cluster.executorFolders().size(), "the killed executor was replaced");
    }

    @Test
    void inTheMiddleOfUnits() throws Exception {
        survives("units", PLAIN, "executor create .*/unit-.*", 12);
    }

    @Test
    void inTheMiddleOfAHessian() throws Exception {
        survives("hessian", CALIBRATED, "executor create .*-(training|held-out).*", 3);
    }

    @Test
    void inTheMiddleOfTheFile() throws Exception {
        survives("assembly", PLAIN, "executor open .*/unit-.*", 12);
    }
}
