package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A run that ended after its parts were put on S3 goes on with the same upload, if the store still has it. */
@Tag("cluster")
@Timeout(300)
class S3ResumeTest {
    private static final String BUCKET = "resumed"; // Hadoop keeps clients by bucket, whatever their endpoint

    @TempDir
    private static Path folder;

    private static S3Server server;
    private static Storage storage;
    private static byte[] expected;

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(folder);
        server.createBucket(BUCKET);
        storage = new HadoopStorage(S3Server.hadoopSettings(server.endpoint()));
        S3Server.settings(server.endpoint()).forEach(System::setProperty);
        String local = folder.resolve("x.gguf").toString();
        run(local, "none");
        expected = Files.readAllBytes(Path.of(local));
    }

    @AfterAll
    static void end() {
        if (server != null) {
            S3Server.settings(server.endpoint()).keySet().forEach(System::clearProperty);
            server.close();
        }
    }

    /** Runs until a stage begins; returns what was said. */
    private static List<String> run(String output, String last) throws IOException {
        QuantizeSettings settings = new QuantizeSettings(
                Cli.DOCS_LM,
                output,
                null,
                folder.resolve("work").toString(),
                TypeOptions.builder(FileType.Q8_0).build(),
                null,
                new ImportanceFilter(List.of(), List.of()),
                List.of(),
                null,
                false,
                0,
                1 << 20,
                false,
                null,
                null,
                Map.of());
        List<String> said = new ArrayList<>();
        Progress progress = new Progress() {
            @Override
            public void say(String line) {
                said.add(line);
            }

            @Override
            public void begin(String stage, long total, Unit unit) {
                if (stage.equals(last)) {
                    throw new UncheckedIOException(new IOException("broken on purpose"));
                }
            }

            @Override
            public void advance(long work) {}

            @Override
            public void end() {}
        };
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("resume")) {
            new QuantizeJob(session, settings, progress).run();
        } finally {
            System.clearProperty("spark.master");
        }
        return said;
    }

    private static void interrupt(String output) throws Exception {
        assertThrows(UncheckedIOException.class, () -> run(output, "validate"));
        assertEquals(1, server.openUploads(BUCKET).size());
        assertTrue(!storage.exists(output));
    }

    private static void finish(String output, boolean again) throws Exception {
        List<String> said = run(output, "none");
        String line = "spark-gguf: 2 of 2 ranges of the output were written by an earlier run";
        assertEquals(again, said.contains(line), said.toString());
        assertArrayEquals(expected, CutBytes.read(storage, output));
        assertEquals(List.of(), server.openUploads(BUCKET));
    }

    @Test
    void partsAreNotPutTwice() throws Exception {
        String output = "s3a://" + BUCKET + "/a/x.gguf";
        interrupt(output);
        finish(output, true);
    }

    @Test
    void anUploadThatTheStoreForgotIsBegunAnew() throws Exception {
        String output = "s3a://" + BUCKET + "/b/x.gguf";
        interrupt(output);
        storage.discardUnfinished(output, null);
        assertEquals(List.of(), server.openUploads(BUCKET));
        finish(output, false);
    }
}
