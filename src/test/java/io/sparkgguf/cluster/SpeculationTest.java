package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A task that hangs is made good by a second copy of it; its result counts once. */
@Tag("cluster")
@Tag("long")
@Timeout(300)
class SpeculationTest {
    @TempDir
    Path folder;

    @Test
    void aSecondCopyOfASlowTaskEndsTheStage() throws Exception {
        List<String> log;
        try (SparkCluster cluster = SparkCluster.start(folder, 2, 1)) {
            log = StageRuns.run(
                    folder,
                    Map.of(),
                    List.of(
                            "-Dspark.master=" + cluster.url(),
                            "-Dspark.cores.max=2",
                            "-Dspark.speculation=true",
                            "-Dspark.speculation.quantile=0.5",
                            "-Dspark.speculation.interval=100ms",
                            "-Dspark.speculation.minTaskRuntime=1s"),
                    "speculation");
        }
        Map<String, String> expected = Map.of(
                "slow.right", "true",
                "slow.attempts", "2",
                "slow.progress", "465 of 465",
                "slow.learned", "30");
        assertEquals(expected, Map.copyOf(StageRuns.values(log)), () -> String.join("\n", log));
    }
}
