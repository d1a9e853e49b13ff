package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.cluster.FaultProxy.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** From S3 to S3 through a store that fails now and then: the bytes of a run on local disk. */
@Tag("cluster")
@Timeout(300)
class S3QuantizeTest {
    private static final long SEED = 20261123;

    /** Quick to give up and come back, so that the test meets every layer of retries without waiting for them. */
    private static final Map<String, String> IMPATIENT = Map.of(
            "spark.hadoop.fs.s3a.retry.interval", "10ms",
            "spark.hadoop.fs.s3a.retry.throttle.interval", "10ms",
            "spark.hadoop.spark-gguf.retry.first-wait.ms", "5");

    @TempDir
    static Path folder;

    private static S3Server server;
    private FaultProxy proxy;
    private Map<String, String> settings;

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(folder);
    }

    /** Makes a bucket with the model; Hadoop keeps one client for each bucket, so each test has its own. */
    private static void bucket(String name) throws IOException, InterruptedException {
        server.createBucket(name);
        try (Stream<Path> files = Files.list(Path.of(DOCS_LM))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                server.put(name, "docs-lm/" + file.getFileName(), file);
            }
        }
    }

    @AfterAll
    static void stop() {
        if (server != null) {
            server.close();
        }
    }

    @BeforeEach
    void listen() throws IOException {
        proxy = FaultProxy.start(server.endpoint(), FaultProxy.seeded(SEED, 0.15, 3));
        settings = new java.util.TreeMap<>(S3Server.settings(proxy.endpoint()));
        settings.putAll(IMPATIENT);
        settings.forEach(System::setProperty);
    }

    @AfterEach
    void end() throws IOException {
        settings.keySet().forEach(System::clearProperty);
        proxy.close();
    }

    private static List<String> command(String model, String output, String... more) {
        List<String> command = new ArrayList<>(List.of("quantize", "--model", model, "--output", output));
        command.addAll(List.of(more));
        return command;
    }

    private static String local(String name, String... more) throws IOException {
        Path output = folder.resolve(name);
        Outcome outcome =
                Cli.runOn("local[1]", command(DOCS_LM, output.toString(), more).toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return Cli.sha256(output);
    }

    private static void assertIsTheOnlyOutput(String expected, String bucket) throws IOException, InterruptedException {
        Path copy = folder.resolve("downloaded");
        Files.write(copy, server.get(bucket, "out/model.gguf"));
        assertEquals(expected, Cli.sha256(copy));
        assertEquals(
                List.of("out/model.gguf", "out/model.gguf.report.json"),
                server.keys(bucket).stream()
                        .filter(key -> !key.startsWith("docs-lm/"))
                        .toList());
        assertEquals(List.of(), server.openUploads(bucket));
    }

    @Test
    void roundedWithFaults() throws Exception {
        bucket("rounded");
        String expected = local("rtn.gguf", "--type", "Q4_K_M");
        Outcome outcome = Cli.run(command(
                        "s3a://rounded/docs-lm",
                        "s3a://rounded/out/model.gguf",
                        "--type",
                        "Q4_K_M",
                        "--unit-memory",
                        "1m")
                .toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertIsTheOnlyOutput(expected, "rounded");
        for (Fault fault : Fault.values()) {
            assertTrue(proxy.count(fault) > 0, fault + " never happened with seed " + SEED);
        }
    }

    @Test
    void calibratedWithFaults() throws Exception {
        bucket("calibrated");
        String[] options = {
            "--type", "Q3_K_S", "--calibration-tokens", "512", "--sequence-length", "256", "--calibration"
        };
        String text = DOCS_LM + "/samples-calibration.txt";
        List<String> locally = new ArrayList<>(List.of(options));
        locally.add(text);
        String expected = local("gptq.gguf", locally.toArray(String[]::new));
        List<String> remotely = new ArrayList<>(List.of(options));
        remotely.add("s3a://calibrated/docs-lm/samples-calibration.txt");
        Outcome outcome = Cli.run(
                command("s3a://calibrated/docs-lm", "s3a://calibrated/out/model.gguf", remotely.toArray(String[]::new))
                        .toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertIsTheOnlyOutput(expected, "calibrated");
    }
}
