package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.cluster.FaultProxy.Fault;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.tensor.DType;
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

    private static final Path TEXT = Path.of(DOCS_LM, "samples-calibration.txt");

    @TempDir
    static Path folder;

    private static S3Server server;
    private static Path model;
    private FaultProxy proxy;
    private Map<String, String> settings;

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(folder);
        model = Fixture.LLAMA.write(folder.resolve("model"), DType.BF16, 3);
    }

    /** Makes a bucket with the model; Hadoop keeps one client for each bucket, so each test has its own. */
    private static void bucket(String name) throws IOException, InterruptedException {
        server.createBucket(name);
        try (Stream<Path> files = Files.list(model)) {
            for (Path file : files.toList()) {
                server.put(name, "model/" + file.getFileName(), file);
            }
        }
        server.put(name, TEXT.getFileName().toString(), TEXT); // its name goes into the file
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

    private static Outcome quantize(String master, String model, String output, String... more) {
        List<String> command = new ArrayList<>(List.of("quantize", "--model", model, "--output", output));
        command.addAll(List.of(more));
        return Cli.runOn(master, command.toArray(String[]::new));
    }

    private static String local(String name, String... more) throws IOException {
        Path output = folder.resolve(name);
        Outcome outcome = quantize("local[1]", model.toString(), output.toString(), more);
        assertEquals(0, outcome.code(), outcome.err());
        return Cli.sha256(output);
    }

    private static Outcome remote(String bucket, String... more) {
        return quantize("local[2]", "s3a://" + bucket + "/model", "s3a://" + bucket + "/out/model.gguf", more);
    }

    /** What a run left in a bucket beside its inputs; S3A's markers of empty folders do not count. */
    private static List<String> left(String bucket) throws IOException, InterruptedException {
        return server.keys(bucket).stream()
                .filter(key -> !key.startsWith("model/") && !key.endsWith("/"))
                .filter(key -> !key.equals(TEXT.getFileName().toString()))
                .toList();
    }

    private static void assertIsTheOnlyOutput(String expected, String bucket) throws IOException, InterruptedException {
        Path copy = folder.resolve("downloaded");
        Files.write(copy, server.get(bucket, "out/model.gguf"));
        assertEquals(expected, Cli.sha256(copy));
        assertEquals(List.of("out/model.gguf", "out/model.gguf.report.json"), left(bucket));
        assertEquals(List.of(), server.openUploads(bucket));
    }

    @Test
    void roundedWithFaults() throws Exception {
        bucket("rounded");
        String[] options = {"--type", "Q4_K_M", "--unit-memory", "128k"};
        String expected = local("rtn.gguf", options);
        Outcome outcome = remote("rounded", options);
        assertEquals(0, outcome.code(), outcome.err());
        assertIsTheOnlyOutput(expected, "rounded");
        for (Fault fault : Fault.values()) {
            assertTrue(proxy.count(fault) > 0, fault + " never happened with seed " + SEED);
        }
    }

    @Test
    void calibratedWithFaults() throws Exception {
        bucket("calibrated");
        List<String> options = new ArrayList<>(List.of(
                "--type", "Q3_K_S", "--calibration-tokens", "256", "--sequence-length", "128", "--calibration"));
        options.add(TEXT.toString());
        String expected = local("gptq.gguf", options.toArray(String[]::new));
        options.set(options.size() - 1, "s3a://calibrated/" + TEXT.getFileName());
        Outcome outcome = remote("calibrated", options.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertIsTheOnlyOutput(expected, "calibrated");
    }

    /** A store that takes no parts any more: the run ends, nothing is published, and both ways out of it work. */
    @Test
    void whatAFailedRunLeftIsGoneOnWithOrCleaned() throws Exception {
        bucket("failed");
        String expected = local("failed.gguf", "--type", "Q8_0");
        System.setProperty("spark.hadoop.fs.s3a.bucket.failed.retry.throttle.limit", "1");
        System.setProperty("spark.hadoop.fs.s3a.bucket.failed.attempts.maximum", "0");
        settings.put("spark.hadoop.fs.s3a.bucket.failed.retry.throttle.limit", "1");
        settings.put("spark.hadoop.fs.s3a.bucket.failed.attempts.maximum", "0");
        FaultProxy.Faults noParts = request -> request.path().contains("partNumber") ? Fault.SLOW_DOWN : Fault.NONE;

        proxy.choose(noParts);
        assertFailsAndLeavesAnUpload();
        Outcome clean = Cli.run("clean", "--output", "s3a://failed/out/model.gguf");
        assertEquals(0, clean.code(), clean.err());
        assertEquals(List.of(), left("failed"));
        assertEquals(List.of(), server.openUploads("failed"));

        assertFailsAndLeavesAnUpload();
        proxy.choose(request -> Fault.NONE);
        Outcome resumed = remote("failed", "--type", "Q8_0", "--resume");
        assertEquals(0, resumed.code(), resumed.err());
        assertIsTheOnlyOutput(expected, "failed");
    }

    private static void assertFailsAndLeavesAnUpload() throws IOException, InterruptedException {
        Outcome failed = remote("failed", "--type", "Q8_0");
        assertEquals(1, failed.code(), failed.err());
        assertTrue(failed.reason().contains("503"), failed.err());
        assertEquals(List.of("out/model.gguf"), server.openUploads("failed"));
        assertTrue(left("failed").stream().noneMatch(key -> key.equals("out/model.gguf")), "nothing is published");
        assertTrue(left("failed").stream().anyMatch(key -> key.startsWith("out/model.gguf.work/")), "work is kept");
    }
}
