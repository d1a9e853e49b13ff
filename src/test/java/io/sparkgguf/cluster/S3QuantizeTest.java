package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.cluster.FaultProxy.Fault;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import java.io.IOException;
import java.io.OutputStream;
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
    private static Storage direct;
    private FaultProxy proxy;
    private Map<String, String> settings;

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(folder);
        server.createBucket("models");
        direct = new HadoopStorage(S3Server.hadoopSettings(server.endpoint()));
        upload(Path.of(DOCS_LM), "s3a://models/docs-lm");
    }

    private static void upload(Path from, String to) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                try (OutputStream out = direct.create(to + "/" + file.getFileName())) {
                    Files.copy(file, out);
                }
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
        settings.put("spark.hadoop.fs.s3a.impl.disable.cache", "true"); // of this proxy, not of an earlier test's
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

    private static String download(String file) throws IOException {
        Path copy = folder.resolve("downloaded");
        try (RangeReader reader = direct.open(file)) {
            byte[] bytes = new byte[(int) reader.length()];
            reader.readFully(0, bytes, 0, bytes.length);
            Files.write(copy, bytes);
        }
        return Cli.sha256(copy);
    }

    private static List<String> keys(String prefix) throws IOException, InterruptedException {
        return server.keys("models").stream()
                .filter(key -> key.startsWith(prefix))
                .toList();
    }

    @Test
    void roundedWithFaults() throws Exception {
        String expected = local("rtn.gguf", "--type", "Q4_K_M");
        Outcome outcome = Cli.run(command(
                        "s3a://models/docs-lm",
                        "s3a://models/rtn/model.gguf",
                        "--type",
                        "Q4_K_M",
                        "--unit-memory",
                        "1m")
                .toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(expected, download("s3a://models/rtn/model.gguf"));
        assertEquals(List.of("rtn/model.gguf", "rtn/model.gguf.report.json"), keys("rtn"));
        assertEquals(List.of(), server.openUploads("models"));
        for (Fault fault : Fault.values()) {
            assertTrue(proxy.count(fault) > 0, fault + " never happened with seed " + SEED);
        }
    }

    @Test
    void calibratedWithFaults() throws Exception {
        String[] options = {
            "--type", "Q3_K_S", "--calibration-tokens", "512", "--sequence-length", "256", "--calibration"
        };
        String text = DOCS_LM + "/samples-calibration.txt";
        List<String> locally = new ArrayList<>(List.of(options));
        locally.add(text);
        String expected = local("gptq.gguf", locally.toArray(String[]::new));
        List<String> remotely = new ArrayList<>(List.of(options));
        remotely.add("s3a://models/docs-lm/samples-calibration.txt");
        Outcome outcome =
                Cli.run(command("s3a://models/docs-lm", "s3a://models/gptq/model.gguf", remotely.toArray(String[]::new))
                        .toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(expected, download("s3a://models/gptq/model.gguf"));
        assertEquals(List.of("gptq/model.gguf", "gptq/model.gguf.report.json"), keys("gptq"));
        assertEquals(List.of(), server.openUploads("models"));
    }
}
