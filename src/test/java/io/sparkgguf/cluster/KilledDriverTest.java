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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} of a driver: the same line once more goes on from what was done, and makes the same bytes. */
@Tag("cluster")
@Tag("long")
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

    /** What the second run did, as a point that counted, and what it told. */
    private record Resumed(HoldPoint second, String err) {
        long count(String pattern) throws IOException {
            return second.counted(pattern);
        }

        long units() {
            Matcher units = Pattern.compile("([\\d,]+) work units").matcher(err);
            assertTrue(units.find(), err);
            return Long.parseLong(units.group(1).replace(",", ""));
        }
    }

    /** Kills the driver when an executor comes to a point, and runs the same line once more. */
    private static Resumed killedAndRunAgain(String name, Recipe recipe, String pattern, long at, String counted)
            throws Exception {
        Path output = Files.createDirectories(folder.resolve(name)).resolve("model.gguf");
        Path work = folder.resolve(name + "-work");
        HoldPoint point = HoldPoint.of(folder.resolve(name + "-point"), pattern, at);
        try (Submission run = cluster.submit("quantize", recipe.arguments(output, work, point))) {
            point.await(run);
            awaitJournal(work);
            Processes.kill(run.handle());
        }
        assertFalse(Files.exists(output));
        HoldPoint second = HoldPoint.of(folder.resolve(name + "-again"), counted, 0);
        List<String> arguments = new ArrayList<>(recipe.arguments(output, work, second));
        arguments.add("--resume");
        try (Submission run = cluster.submit("quantize", arguments)) {
            assertEquals(0, run.await(RUN), run.err());
            assertTrue(run.err().contains("going on from what an earlier run left in "), run.err());
            requireSame(recipe, output);
            assertFalse(Files.exists(work), "what was kept on the way is gone");
            return new Resumed(second, run.err());
        }
    }

    @Test
    void inTheMiddleOfUnits() throws Exception {
        String unit = Recipe.PLAIN.unit();
        Resumed run = killedAndRunAgain("units", Recipe.PLAIN, unit, 60, unit);
        long again = run.count(unit);
        assertTrue(again < run.units(), again + " units were done after 60 of " + run.units());
    }

    @Test
    void inTheMiddleOfABlock() throws Exception {
        Resumed run = killedAndRunAgain(
                "block",
                Recipe.CALIBRATED,
                "executor create .*/block-0001/.*-(training|held-out).*",
                3,
                "executor create .*");
        assertEquals(0, run.count(".*/block-0000/.*"), "the block before was not begun again");
        assertTrue(run.count(".*/block-0001/.*") > 0, "the block was gone on with");
    }

    @Test
    void theMasterStartsItAgain() throws Exception {
        Path output = Files.createDirectories(folder.resolve("supervised")).resolve("model.gguf");
        Path work = folder.resolve("supervised-work");
        HoldPoint point = HoldPoint.of(folder.resolve("supervised-point"), Recipe.PLAIN.unit(), 30);
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
