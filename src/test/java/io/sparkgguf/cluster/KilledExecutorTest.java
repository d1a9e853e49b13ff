package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
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
@Tag("long")
@Timeout(1200)
class KilledExecutorTest {
    private static final Duration RUN = Duration.ofSeconds(600);

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

    private static void survives(String name, Recipe recipe, boolean parts, String pattern, long at) throws Exception {
        Path results = Files.createDirectories(folder.resolve(name));
        Path output = results.resolve("model.gguf");
        HoldPoint point = HoldPoint.of(folder.resolve(name + "-point"), pattern, at);
        Path work = folder.resolve(name + "-work");
        List<String> arguments =
                parts ? recipe.argumentsForParts(output, work, point) : recipe.arguments(output, work, point);
        int before = cluster.executorFolders().size();
        try (Submission run = cluster.submit("quantize", arguments)) {
            String killed = point.kill(run);
            assertTrue(killed.startsWith("executor "), killed);
            assertEquals(0, run.await(RUN), run.err());
        }
        assertTrue(point.counted() > at, "the pattern matched only what was killed: the point was not in the middle");
        assertEquals(recipe.undisturbed(folder), Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(results));
        assertEquals(before + 3, cluster.executorFolders().size(), "the killed executor was replaced");
    }

    @Test
    void inTheMiddleOfUnits() throws Exception {
        survives("units", Recipe.PLAIN, false, Recipe.PLAIN.unit(), 12);
    }

    @Test
    void inTheMiddleOfParts() throws Exception {
        survives("parts", Recipe.PLAIN, true, "executor create .*/unit-.*", 12);
    }

    @Test
    void inTheMiddleOfAHessian() throws Exception {
        survives("hessian", Recipe.CALIBRATED, false, "executor create .*-(training|held-out).*", 3);
    }

    /** Parts of a calibrated run are copied into the file; nothing else opens the header's. */
    @Test
    void inTheMiddleOfTheFile() throws Exception {
        survives("assembly", Recipe.CALIBRATED, false, "executor open .*/header-0", 1);
    }
}
