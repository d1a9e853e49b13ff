package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The driver is killed, as by kill -9, over and over: the run that comes to its end writes the same bytes as any other. */
@Tag("long")
class KilledRunTest {
    private static final int KILLS = 3;
    private static final int PIECE = 1 << 16;

    @TempDir
    private Path folder;

    private Path output;

    private List<String> command(String options) throws IOException {
        output = Files.createDirectories(folder.resolve("out")).resolve("model.gguf");
        List<String> line = new ArrayList<>(List.of("quantize", "--model"));
        line.add(Fixture.LLAMA.write(folder.resolve("model")).toString());
        if (options.contains("--sequence-length")) {
            ByteBuffer tokens = ByteBuffer.allocate(4 * 256).order(ByteOrder.LITTLE_ENDIAN);
            new Random(8).ints(256, 0, 512).forEach(tokens::putInt);
            line.addAll(List.of("--calibration", folder.resolve("tokens.bin").toString()));
            Files.write(folder.resolve("tokens.bin"), tokens.array());
        }
        line.addAll(Arrays.asList(options.split(" ")));
        return line;
    }

    private Process start(List<String> line, Path err) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> !argument.startsWith("-javaagent"))
                .forEach(command::add);
        command.addAll(List.of("-Dspark.master=local[2]", "-cp", System.getProperty("java.class.path")));
        command.add(Main.class.getName());
        command.addAll(line);
        command.addAll(List.of("--output", output.toString()));
        return new ProcessBuilder(command)
                .redirectError(err.toFile())
                .redirectOutput(folder.resolve("log").toFile())
                .start();
    }

    /** Files that the work folder has seen: what is there, and segments that were written; and what is written in place. */
    private long progress() {
        try (Stream<Path> files = Files.walk(Path.of(output + ".work"))) {
            return files.filter(file -> file.toString().matches(".*/(parts|calibration|journal)/.*"))
                            .count()
                    + writtenInPlace();
        } catch (IOException | java.io.UncheckedIOException e) {
            return 0; // not yet there, or changing
        }
    }

    /** Pieces of the unfinished file that hold something. */
    private long writtenInPlace() throws IOException {
        Path unfinished = Path.of(output + ".unfinished");
        byte[] bytes = Files.exists(unfinished) ? Files.readAllBytes(unfinished) : new byte[0];
        long pieces = 0;
        for (int from = 0; from < bytes.length; from += PIECE) {
            byte[] piece = Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + PIECE));
            pieces += Arrays.equals(piece, new byte[piece.length]) ? 0 : 1;
        }
        return pieces;
    }

    @ParameterizedTest
    @Timeout(300)
    @CsvSource({
        "1, --type Q4_K_M --unit-memory 128k",
        "2, --type Q4_0 --sequence-length 32 --sweeps 0 --shard-tokens 64 --unit-memory 128k"
    })
    void writesTheSameBytesInTheEnd(long seed, String options) throws Exception {
        List<String> line = command(options);
        Path undisturbed = folder.resolve("undisturbed.gguf");
        List<String> whole = new ArrayList<>(line);
        whole.addAll(List.of("--output", undisturbed.toString()));
        Outcome outcome = Cli.runOn("local[1]", whole.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());

        Random random = new Random(seed);
        StringBuilder told = new StringBuilder("seed " + seed);
        Path err = folder.resolve("err");
        for (int kill = 0; kill < KILLS; kill++) {
            long before = progress();
            long more = random.nextInt(12);
            Process process = start(line, err);
            try {
                while (process.isAlive() && progress() <= before + more) {
                    Thread.sleep(2);
                }
                Thread.sleep(random.nextInt(400));
            } finally {
                process.destroyForcibly();
            }
            assertTrue(process.waitFor(60, TimeUnit.SECONDS));
            told.append(", killed with ").append(progress()).append(" files");
        }
        outcome = Cli.run(withOutput(line));
        assertEquals(0, outcome.code(), told + "\n" + outcome.err());
        assertEquals(Cli.sha256(undisturbed), Cli.sha256(output), told.toString());
        assertEquals(Set.of("model.gguf", "model.gguf.report.json"), Cli.names(output.getParent()), told.toString());
    }

    private String[] withOutput(List<String> line) {
        List<String> all = new ArrayList<>(line);
        all.addAll(List.of("--output", output.toString()));
        return all.toArray(String[]::new);
    }

    /** While it lives it keeps others away; when it is killed, the next one need not wait for its lease to end. */
    @Test
    @Timeout(200)
    void aLivingRunKeepsItsTarget() throws Exception {
        List<String> line = command("--type Q4_K_M --unit-memory 128k");
        Path err = folder.resolve("err");
        Process process = start(line, err);
        try {
            while (!Files.exists(Path.of(output + ".lease")) && process.isAlive()) {
                Thread.sleep(2);
            }
            new ProcessBuilder("kill", "-STOP", Long.toString(process.pid()))
                    .start()
                    .waitFor();
            assertTrue(Files.exists(Path.of(output + ".lease")), "was faster than this test");
            Outcome outcome = Cli.run(withOutput(line));
            assertEquals(Main.REFUSED, outcome.code(), outcome.err());
            assertTrue(outcome.reason().contains("process " + process.pid() + ", since "), outcome.err());
        } finally {
            process.destroyForcibly();
        }
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        Outcome outcome = Cli.run(withOutput(line));
        assertEquals(0, outcome.code(), outcome.err());
    }
}
