package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** From HDFS to HDFS, with the bytes that one thread makes on a local disk. */
@Tag("cluster")
@Timeout(300)
class HdfsQuantizeTest {
    /** Small units make small ranges. */
    private static final String[] OPTIONS = {"--type", "Q8_0", "--unit-memory", "1m", "--split-max-size", "3m"};

    @TempDir
    private Path local;

    private MiniHdfs hdfs;
    private FileSystem files;

    @BeforeEach
    void start() throws IOException {
        hdfs = MiniHdfs.start(local.resolve("hdfs"), 3);
        files = hdfs.fileSystem();
        files.copyFromLocalFile(path(Path.of(Cli.DOCS_LM).toAbsolutePath().toString()), path("/docs-lm"));
    }

    @AfterEach
    void end() {
        hdfs.close();
    }

    private static org.apache.hadoop.fs.Path path(String name) {
        return new org.apache.hadoop.fs.Path(name);
    }

    private Cli.Outcome run(String master, String model, String output) {
        List<String> command = new ArrayList<>(List.of("quantize", "--model", model, "--output", output));
        command.addAll(List.of(OPTIONS));
        return Cli.runOn(master, command.toArray(String[]::new));
    }

    private List<String> names(String folder) throws IOException {
        return Arrays.stream(files.listStatus(path(folder)))
                .map(FileStatus::getPath)
                .map(org.apache.hadoop.fs.Path::getName)
                .sorted()
                .toList();
    }

    private String sha256(String file) throws IOException {
        Path copy = local.resolve("copy");
        files.copyToLocalFile(false, path(file), path(copy.toUri().toString()), true);
        return Cli.sha256(copy);
    }

    /** Ends a datanode as soon as the output is begun: units are written and read, and parts put, by what is left. */
    private CompletableFuture<Boolean> killWhenBegun(String output) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                while (!files.exists(path(output + ".unfinished"))) {
                    Thread.sleep(5);
                }
                hdfs.killDatanode(0);
                return !files.exists(path(output));
            } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    /** Three files, whose parts are joined one after another, with a datanode lost meanwhile. */
    @Test
    void aDatanodeIsLostAndTheBytesAreTheSame() throws Exception {
        Path expected = Files.createDirectories(local.resolve("expected"));
        Cli.Outcome undisturbed =
                run("local[1]", Cli.DOCS_LM, expected.resolve("x.gguf").toString());
        assertEquals(0, undisturbed.code(), undisturbed.err());

        files.mkdirs(path("/out"));
        CompletableFuture<Boolean> killed = killWhenBegun("/out/x-00001-of-00003.gguf");
        Cli.Outcome outcome = run("local[2]", hdfs.uri() + "/docs-lm", hdfs.uri() + "/out/x.gguf");
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(killed.get(10, TimeUnit.SECONDS), "the datanode was to be lost before the end");
        assertEquals(List.copyOf(Cli.names(expected)), names("/out"));
        assertEquals(List.of("docs-lm", "out"), names("/"));
        for (int file = 1; file <= 3; file++) {
            String name = "x-0000" + file + "-of-00003.gguf";
            assertEquals(Cli.sha256(expected.resolve(name)), sha256("/out/" + name), name);
            int blocks = files.getFileBlockLocations(path("/out/" + name), 0, Long.MAX_VALUE).length;
            assertTrue(blocks >= 2, name + " was joined from " + blocks + " parts");
        }
        JsonNode report = new ObjectMapper()
                .readTree(files.open(path("/out/x.gguf.report.json")).readAllBytes());
        assertEquals(0, report.get("warnings").size(), report.get("warnings").toString());
    }
}
