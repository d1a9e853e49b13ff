package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of stages when their executors, processes of their own on this machine, are killed, fail or are full. */
@Tag("cluster")
@Timeout(300)
class LocalClusterTest {
    @TempDir
    static Path folder;

    private static Map<String, String> seen;
    private static List<String> log;

    @BeforeAll
    static void run() throws Exception {
        Path home = folder.resolve("spark");
        Files.createDirectories(home.resolve("jars")); // the classes come from this JVM's class path
        log = StageRuns.run(
                folder,
                Map.of(
                        "SPARK_HOME",
                        home.toAbsolutePath().toString(),
                        "SPARK_WORKER_DIR",
                        folder.resolve("work").toAbsolutePath().toString()),
                List.of("-Dspark.master=local-cluster[2,2,1024]", "-Dspark.executor.cores=2"));
        seen = StageRuns.values(log);
    }

    @AfterAll
    static void forget() {
        seen = null;
        log = null;
    }

    private static void assertSeen(String name, Object expected) {
        assertEquals(String.valueOf(expected), seen.get(name), () -> name + " in " + String.join("\n", log));
    }

    @Test
    void aRefusalEndsTheStageAtItsFirstAttemptAndWhatWasDoneIsKept() {
        assertSeen("refusal.message", "Cannot use item 2: it is the one");
        assertSeen("refusal.attempts", 1);
        assertSeen("refusal.endless", 1);
        assertSeen("refusal.learned", "[0]");
        assertSeen("refusal.ended", false);
    }

    @Test
    void aFailureThatPassesIsTriedAgainAndCountedOnce() {
        assertSeen("passing.right", true);
        assertSeen("passing.attempts", 3);
        assertSeen("passing.learned", 40);
        assertSeen("passing.progress", "820 of 820");
        assertSeen("passing.retried", 2);
        assertTrue(
                log.stream()
                        .anyMatch(line -> line.contains("event=task.failed stage=passing")
                                && line.contains("Cannot read item 7: the connection was cut")),
                "the failure is told");
    }

    @Test
    void aKilledExecutorCostsNoResult() {
        assertSeen("killed.right", true);
        assertSeen("killed.attempts", 2);
        assertSeen("killed.progress", "1830 of 1830");
        assertSeen("killed.lost", 1);
        assertTrue(log.stream().anyMatch(line -> line.contains("event=executor.lost executor=")), "the loss is told");
    }

    @Test
    void aKilledTaskRunsAgain() {
        assertSeen("task.result", "[5]");
        assertSeen("task.attempts", 2);
        assertSeen("task.progress", "1 of 1");
    }

    @Test
    void tasksOfAnExecutorShareItsHeap() {
        assertSeen("small.fit", "Fit[taskBytes=10485760, coresPerTask=1, atOnce=2]");
        assertSeen("small.atOnce", 2);
        assertSeen("large.fit", "Fit[taskBytes=314572800, coresPerTask=2, atOnce=1]");
        assertSeen("large.atOnce", 1);
    }
}
