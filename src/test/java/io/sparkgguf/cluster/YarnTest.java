package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The README's line on YARN, by the spark-submit of a Spark distribution. */
@Tag("cluster")
@Tag("long")
@Timeout(600)
class YarnTest {
    private static final String MODEL = Path.of(DOCS_LM).toAbsolutePath().toString();
    private static final Duration RUN = Duration.ofSeconds(300);

    @TempDir
    static Path folder;

    private static Path spark;
    private static MiniYarn yarn;
    private static String expected;

    @BeforeAll
    static void start() throws IOException {
        spark = Distribution.home();
        Path reference = folder.resolve("reference.gguf");
        Outcome outcome = Cli.runOn(
                "local[1]", "quantize", "--model", DOCS_LM, "--output", reference.toString(), "--type", "Q4_K_M");
        assertEquals(0, outcome.code(), outcome.err());
        expected = Cli.sha256(reference);
        yarn = MiniYarn.start(folder, 1, Map.of("fs.defaultFS", "file:///"));
    }

    @AfterAll
    static void stop() {
        if (yarn != null) {
            yarn.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"client", "cluster"})
    void theSameBytes(String deployMode) throws Exception {
        Path output = Files.createDirectories(folder.resolve(deployMode)).resolve("model.gguf");
        Map<String, String> environment = Map.of(
                "SPARK_HOME",
                spark.toString(),
                "HADOOP_CONF_DIR",
                yarn.configuration().toString());
        List<String> arguments = List.of(
                "quantize",
                "--master",
                "yarn",
                "--deploy-mode",
                deployMode,
                "--num-executors",
                "2",
                "--executor-memory",
                "1g",
                "--driver-memory",
                "1g",
                "--conf",
                "spark.yarn.jars=local:" + spark.resolve("jars") + "/*", // else half a gigabyte is copied first
                "--model",
                MODEL,
                "--output",
                output.toString(),
                "--type",
                "Q4_K_M",
                "--unit-memory",
                "1m");
        try (Submission run =
                Submission.start(SparkCluster.LAUNCHER, folder, "yarn-" + deployMode, environment, arguments)) {
            assertEquals(0, run.await(RUN), run.err());
        }
        assertEquals(expected, Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(output.getParent()));
    }
}
