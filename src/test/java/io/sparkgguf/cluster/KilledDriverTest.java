package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} of a driver: the same line once more goes on from what was done, and makes the same bytes. */
@Tag("cluster")
@Timeout(1200)
class KilledDriverTest {
    private static final Duration RUN = Duration.ofSeconds(600);

    @TempDir
    static Path folder;

    private static SparkCluster cluster;

    @BeforeAll
    static void start() throws IOException, InterruptedException {
        cluster = SparkCluster.start(folder, 2, 2);
    }

    @AfterAll
    static void stop() throws IOException {
        if (cluster != null) {
            cluster.close();
        }
    }

    /** Waits until the journal says that something was done: what was not noted is done again. */
    private static void awaitJournal(Path work) throws InterruptedException {
        Processes.await("a journal in " + work, RUN, () -> {
            try (Stream<Path> files = Files.walk(work)) {
                return files.anyMatch(file -> file.toString().matches(".*/journal/segment-\\d+"));
            } catch (java.io.UncheckedIOException e) {
                return false; // a file came or went meanwhile
            }
        });
    }

    private static void requireSame(Recipe recipe, Path output) throws IOException {
        assertEquals(recipe.undisturbed(folder), Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(output.getParent()));
    }

    /** Kills the driver when an executor comes to a point; returns what the second run did, as a point that counted. */
    private static HoldPoint killedAndRunAgain(String name, Recipe recipe, String pattern, long at) throws Exception {
        Path output = Files.createDirectories(folder.resolve(name)).resolve("model.gguf");
        Path work = folder.resolve(name + "-work");
        HoldPoint point = HoldPoint.of(folder.resolve(name + "-point"), pattern, at);
        try (Submission run = cluster.submit("quantize", recipe.arguments(output, work, point))) {
            point.await(run);
            awaitJournal(work);
            Processes.kill(run.handle());
        }
        assertFalse(Files.exists(output));
        HoldPoint second = HoldPoint.of(folder.resolve(name + "-again"), "executor create .*", 0);
        List<String> arguments = new ArrayList<>(recipe.arguments(output, work, second));
        arguments.add("--resume");
        try (Submission run = cluster.submit("quantize", arguments)) {
            assertEquals(0, run.await(RUN), run.err());
            assertTrue(run.err().contains("going on from what an earlier run left in "), run.err());
        }
        requireSame(recipe, output);
        assertFalse(Files.exists(work), "what was kept on the way is gone");
        return second;
    }

    @Test
    void inTheMiddleOfUnits() throws Exception {
        HoldPoint second = killedAndRunAgain("units", Recipe.PLAIN, "executor create .*/unit-.*", 30);
        long again = second.counted(".*/unit-.*");
        assertTrue(again < 57, "all units were done again: " + again);
    }

    @Test
    void inTheMiddleOfABlock() throws Exception {
        HoldPoint second = killedAndRunAgain(
                "block", Recipe.CALIBRATED, "executor create .*/block-0001/.*-(training|held-out).*", 3);
        assertEquals(0, second.counted(".*/block-0000/.*"), "the block before was not begun again");
        assertTrue(second.counted(".*/block-0001/.*") > 0, "the block was gone on with");
    }

    @Test
    void theMasterStartsItAgain() throws Exception {
        Path output = Files.createDirectories(folder.resolve("supervised")).resolve("model.gguf");
        Path work = folder.resolve("supervised-work");
        HoldPoint point = HoldPoint.of(folder.resolve("supervised-point"), "executor create .*/unit-.*", 30);
        List<String> arguments = new ArrayList<>(List.of("--deploy-mode", "cluster", "--supervise"));
        arguments.addAll(Recipe.PLAIN.arguments(output, work, point));
        try (Submission run = cluster.submit("quantize", arguments)) {
            point.await(run);
            awaitJournal(work);
            List<ProcessHandle> drivers = cluster.drivers();
            assertEquals(1, drivers.size());
            Processes.kill(drivers.get(0));
            assertEquals(0, run.await(RUN), run.err());
        }
        requireSame(Recipe.PLAIN, output);
    }
}
