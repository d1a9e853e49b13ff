package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.CheckpointDamage.Change;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.report.Report;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What breaks while a run goes on: it ends with the reason, and leaves nothing but its work folder. */
class BrokenRunTest {
    @TempDir
    private Path folder;

    private Path model;
    private Path weights;
    private OutputFolder output;

    @BeforeEach
    void writeModel() throws IOException {
        model = Fixture.LLAMA.write(folder.resolve("model"));
        weights = model.resolve("model.safetensors");
        output = new OutputFolder(folder.resolve("out"));
    }

    @AfterEach
    void noOtherPlace() {
        System.clearProperty("spark.hadoop.fs." + FullDisk.SCHEME + ".impl");
    }

    /** From now on the output is in a place that takes whole files alone, so that units are written as parts. */
    private void writeParts() throws IOException {
        System.setProperty("spark.hadoop.fs." + FullDisk.SCHEME + ".impl", FullDisk.class.getName());
        FullDisk.ROOM.set(10_000_000);
        output = new OutputFolder(folder.resolve("out"), FullDisk.SCHEME);
    }

    /** Runs with something done to the model, or the output folder, at the beginning of a stage; returns why it failed. */
    private String failure(String stage, Change change, Path changed) throws IOException {
        Exception failure = assertThrows(Exception.class, () -> run(stage, change, changed));
        output.requireResumable();
        return failure.getMessage();
    }

    private Report run(String stage, Change change, Path changed) throws IOException {
        QuantizeSettings settings = new QuantizeSettings(
                model.toString(),
                output.target(),
                null,
                null,
                TypeOptions.builder(FileType.Q4_K_M).build(),
                null,
                new ImportanceFilter(List.of(), List.of()),
                List.of(),
                null,
                false,
                0,
                1 << 17,
                false,
                null,
                null,
                Map.of());
        Progress saboteur = new Progress() {
            @Override
            public void say(String line) {}

            @Override
            public void begin(String begun, long total, Unit unit) {
                try {
                    if (begun.matches(stage)) {
                        change.apply(changed);
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }

            @Override
            public void advance(long bytes) {}

            @Override
            public void end() {}
        };
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("broken")) {
            return new QuantizeJob(session, settings, saboteur).run();
        } finally {
            System.clearProperty("spark.master");
        }
    }

    @Test
    void aSourceThatIsGone() throws IOException {
        assertEquals(
                "Cannot use " + weights + ": it was removed while the run was reading it",
                failure("quantize", Files::delete, weights));
    }

    @Test
    void aSourceThatShrank() throws IOException {
        String reason = failure("quantize", file -> CheckpointDamage.resize(file, 4000), weights);
        String form = "Cannot use \\Q" + weights
                + "\\E: it was changed while the run was reading it \\(it had \\d+ bytes and has 4000\\)";
        assertTrue(reason.matches(form), reason);
    }

    @Test
    void aSourceThatChanged() throws IOException {
        long bytes = Files.size(weights);
        assertEquals(
                "Cannot use " + weights + ": it was changed while the run was reading it (it had " + bytes
                        + " bytes and has " + (bytes + 1) + ")",
                failure("validate", file -> CheckpointDamage.resize(file, bytes + 1), weights));
    }

    private Path unfinished() {
        return Path.of(output.output() + ".unfinished");
    }

    private static void invertNearTheEnd(Path file) throws IOException {
        int last = (int) Files.size(file) - 40;
        byte[] bytes = Files.readAllBytes(file);
        CheckpointDamage.poke(file, last, (byte) ~bytes[last]);
    }

    /** What lies in the finished file is compared with what was encoded, whatever was checked before. */
    @Test
    void anUnfinishedFileThatChanged() throws IOException {
        writeParts();
        String reason = failure("validate", BrokenRunTest::invertNearTheEnd, unfinished());
        assertTrue(
                reason.matches("Cannot accept \\Q" + output.target() + ".unfinished"
                        + "\\E: (bytes \\d+ to \\d+ of tensor \\S+ have xxHash64 \\w+, expected \\w+|tensor .*)"),
                reason);
    }

    private String undisturbed() throws IOException {
        run("none", file -> {}, model);
        return Cli.sha256(output.output());
    }

    /** Nobody looked at units that were written in place since: those that are wrong are made again. */
    @ParameterizedTest
    @CsvSource({"validate, 1", "assemble, 1", "validate|validate again, 2"})
    void unitsThatChangedInPlaceAreMadeAgain(String stages, int times) throws IOException {
        int[] left = {times};
        Report report = run(
                stages,
                file -> {
                    if (left[0]-- > 0) {
                        invertNearTheEnd(file);
                    }
                },
                unfinished());
        assertEquals(times, report.warnings().size(), report.warnings().toString());
        for (String warning : report.warnings()) {
            assertTrue(
                    warning.matches("1 unit\\(s\\) of the output were made again: "
                            + "bytes \\d+ to \\d+ of tensor \\S+ have xxHash64 \\w+, expected \\w+"),
                    warning);
        }
        assertEquals(Cli.sha256(output.output()), undisturbed());
    }

    @Test
    void unitsThatChangeInPlaceEachTime() throws IOException {
        String reason = failure("validate.*", BrokenRunTest::invertNearTheEnd, unfinished());
        assertTrue(
                reason.matches(
                        "Cannot accept \\Q" + unfinished() + "\\E: bytes .*, also after it was made again 3 times"),
                reason);
        output.accepts(model, "--unit-memory", "128k", "--resume");
    }

    /** A hole where units were is not taken for what was written. */
    @Test
    void unitsThatBecameAHoleAreMadeAgain() throws IOException {
        Report report = run(
                "assemble",
                file -> {
                    long length = Files.size(file);
                    CheckpointDamage.resize(file, length / 2);
                    CheckpointDamage.poke(file, length - 1, (byte) 0);
                },
                unfinished());
        assertEquals(1, report.warnings().size(), report.warnings().toString());
        assertEquals(Cli.sha256(output.output()), undisturbed());
    }

    @Test
    void anUnfinishedFileThatWasCutShort() throws IOException {
        String reason = failure("assemble", file -> CheckpointDamage.resize(file, 10_000), unfinished());
        assertTrue(
                reason.matches("Cannot finish \\Q" + unfinished() + "\\E: it has 10000 bytes, planned are \\d+"),
                reason);
        output.accepts(model, "--unit-memory", "128k", "--resume");
    }

    @Test
    void anUnfinishedFileThatIsGone() throws IOException {
        assertEquals(
                "Cannot write " + unfinished() + ": no such file",
                failure("quantize|assemble", Files::deleteIfExists, unfinished()));
        output.accepts(model, "--unit-memory", "128k");
    }

    private Path work() {
        return Path.of(output.output() + ".work");
    }

    @Test
    void partsThatChangedAreMadeAgain() throws IOException {
        writeParts();
        Report report = run(
                "assemble",
                work -> {
                    Path parts = only(work).resolve("parts");
                    CheckpointDamage.poke(parts.resolve("unit-000007-quantize"), 200, (byte) 1, (byte) 2);
                    CheckpointDamage.resize(parts.resolve("unit-000002-quantize"), 10);
                    Files.delete(parts.resolve("unit-000004-quantize"));
                    CheckpointDamage.poke(parts.resolve("header-0"), 9, (byte) 77);
                },
                work());
        assertEquals(1, report.warnings().size(), report.warnings().toString());
        assertTrue(
                report.warnings()
                        .get(0)
                        .matches("4 part\\(s\\) of the output were made again: Cannot use \\Q" + output.target()
                                + ".work\\E/\\w+/parts/header-0: it has xxHash64 \\w+, written was \\w+"),
                report.warnings().toString());
        String repaired = Cli.sha256(output.output());
        run("none", file -> {}, model);
        assertEquals(Cli.sha256(output.output()), repaired);
    }

    /** A part that cannot be made again as it was is no reason to go on with another one. */
    @Test
    void aPartThatComesOutDifferently() throws IOException {
        writeParts();
        String reason = failure(
                "assemble",
                file -> {
                    Files.delete(only(work()).resolve("parts/unit-000000-quantize"));
                    byte[] bytes = Files.readAllBytes(file);
                    for (int i = bytes.length / 2; i < bytes.length; i++) {
                        bytes[i] ^= 3;
                    }
                    Files.write(file, bytes);
                },
                weights);
        assertTrue(
                reason.matches(
                        "Cannot make rows \\d+ to \\d+ of \\S+ again: they have xxHash64 \\w+, and had \\w+ before"
                                + "|Cannot (use|read) \\Q" + weights + "\\E.*"),
                reason);
    }

    @Test
    void aFolderThatWasTakenAway() throws IOException {
        writeParts();
        String parts = output.target() + ".work";
        String reason = failure(
                "quantize",
                folder -> Files.move(only(folder).resolve("parts"), only(folder).resolve("elsewhere")),
                work());
        assertTrue(
                reason.matches("Cannot write \\Q" + parts + "\\E/.*/parts/unit-.*: its folder does not exist"), reason);
    }

    private static Path only(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.findFirst().orElseThrow();
        }
    }

    @Test
    void noSpaceLeft() throws IOException {
        writeParts();
        String work = FullDisk.SCHEME + "://" + folder.resolve("work");
        for (long room : new long[] {100_000, 500_000}) {
            FullDisk.ROOM.set(room);
            Outcome outcome = output.quantize(model, "--work-dir", work);
            assertTrue(
                    outcome.reason()
                            .matches("Cannot write \\Q" + work + "\\E/.*/parts/unit-.*: no space left on device"),
                    outcome.err());
            assertEquals(Main.FAILED, outcome.code());
            output.requireResumable();
        }
        FullDisk.ROOM.set(10_000_000);
        output.accepts(model, "--work-dir", work);
        assertFalse(Files.exists(folder.resolve("work")));
    }

    /** SIGTERM, as a scheduler sends it; SIGINT of Ctrl-C goes the same way. */
    @Test
    @Timeout(120)
    void aProcessToldToEnd() throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> !argument.startsWith("-javaagent"))
                .forEach(command::add);
        command.addAll(List.of("-Dspark.master=local[2]", "-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(Main.class.getName(), "quantize", "--model", Cli.DOCS_LM, "--type", "Q4_K_M"));
        command.addAll(List.of("--output", output.output().toString()));
        Path err = folder.resolve("err");
        Process process = new ProcessBuilder(command)
                .redirectError(err.toFile())
                .redirectOutput(folder.resolve("log").toFile())
                .start();
        try {
            while (!Files.exists(Path.of(output.output() + ".work")) && process.isAlive()) {
                Thread.sleep(5);
            }
            process.destroy();
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), "does not end");
        } finally {
            process.destroyForcibly();
        }
        assertEquals(128 + 15, process.exitValue(), Files.readString(err));
        output.requireResumable();
        assertFalse(Files.readString(err).contains("\tat "), Files.readString(err));
    }

    @Test
    void theNextRunWorks() throws IOException {
        failure("quantize", file -> CheckpointDamage.resize(file, 4000), weights);
        Cli.run("clean", "--output", output.output().toString());
        output.requireUntouched();
        output.accepts(Fixture.LLAMA.write(folder.resolve("whole")));
    }
}
