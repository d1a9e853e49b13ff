package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.work.Lease;
import io.sparkgguf.job.work.Owner;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.storage.LocalStorage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Runs that broke somewhere are gone on with, whatever happened to their work folder meanwhile: the same bytes. */
class ResumeTest {
    private static final long SEED = 11;
    private static final String RTN = "--type Q4_K_M --unit-memory 128k";
    private static final String GPTQ = "--type Q4_0 --sequence-length 32 --sweeps 0 --shard-tokens 64";

    @TempDir
    private static Path shared;

    private static Path model;
    private static Path tokens;
    private static final Map<String, String> UNDISTURBED = new HashMap<>();

    @TempDir
    private Path folder;

    private Path output;

    @BeforeAll
    static void writeModel() throws IOException {
        model = Fixture.LLAMA.write(shared.resolve("model"));
        ByteBuffer bytes = ByteBuffer.allocate(4 * 256).order(ByteOrder.LITTLE_ENDIAN);
        new Random(SEED).ints(256, 0, 512).forEach(bytes::putInt);
        tokens = Files.write(shared.resolve("tokens.bin"), bytes.array());
    }

    @BeforeEach
    void nameOutput() {
        output = folder.resolve("out.gguf");
    }

    private static List<String> options(String options) {
        List<String> line = new ArrayList<>(List.of("--model", model.toString()));
        if (options.contains("--sequence-length")) {
            line.addAll(List.of("--calibration", tokens.toString()));
        }
        line.addAll(Arrays.asList(options.split(" ")));
        return line;
    }

    private static void run(String master, Path output, String options, Breaking progress, WorkFolder.Start start)
            throws IOException {
        QuantizeOptions asked = new QuantizeOptions();
        ParseResult parsed = new CommandLine(asked)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .parseArgs(options(options).toArray(String[]::new));
        System.setProperty("spark.master", master);
        try (Session session = new Session("resume")) {
            new QuantizeJob(session, asked.settings(parsed, output.toString(), null, null), progress).run(start);
        } finally {
            System.clearProperty("spark.master");
        }
    }

    /** What a run comes to on one thread when nothing disturbs it. */
    private static String undisturbed(String options) throws IOException {
        String known = UNDISTURBED.get(options);
        if (known == null) {
            Path output = shared.resolve("undisturbed-" + UNDISTURBED.size() + ".gguf");
            run("local[1]", output, options, new Breaking(stage -> {}), WorkFolder.Start.ANY);
            known = Cli.sha256(output);
            UNDISTURBED.put(options, known);
        }
        return known;
    }

    /** Runs until a trap breaks it. */
    private Breaking interrupted(String options, Breaking progress) {
        Exception failure =
                assertThrows(Exception.class, () -> run("local[2]", output, options, progress, WorkFolder.Start.ANY));
        assertTrue(String.valueOf(failure.getMessage()).contains("broken on purpose"), failure.toString());
        return progress;
    }

    private Breaking finished(String options) throws IOException {
        Breaking progress = new Breaking(stage -> {});
        run("local[2]", output, options, progress, WorkFolder.Start.ANY);
        requireWhole(options);
        return progress;
    }

    private void requireWhole(String options) throws IOException {
        assertEquals(undisturbed(options), Cli.sha256(output), options);
        assertEquals(Set.of("out.gguf", "out.gguf.report.json"), Cli.names(folder));
    }

    private List<Path> files(String pattern) throws IOException {
        try (Stream<Path> all = Files.walk(folder.resolve("out.gguf.work"))) {
            return all.filter(Files::isRegularFile)
                    .filter(file -> file.toString().matches(".*/" + pattern))
                    .sorted()
                    .toList();
        }
    }

    private static void damage(Path file, Random random) throws IOException {
        if (random.nextBoolean()) {
            Files.delete(file);
            return;
        }
        byte[] bytes = Files.readAllBytes(file);
        if (random.nextBoolean()) {
            bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
        } else {
            bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        }
        Files.write(file, bytes);
    }

    /** Each run may begin one stage more than the last one. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                RTN,
                GPTQ + " --propagate original --calibrate-head",
                GPTQ + " --true-sequential",
            })
    void everyStageMayBeTheLast(String options) throws IOException {
        Set<String> begun = new TreeSet<>();
        boolean done = false;
        for (int run = 0; !done; run++) {
            assertTrue(run < 200, "does not come to an end; begun: " + begun);
            Breaking progress = Breaking.after(run);
            try {
                run("local[2]", output, options, progress, WorkFolder.Start.ANY);
                done = true;
            } catch (IOException | UncheckedIOException broken) {
                assertTrue(broken.getMessage().contains("broken on purpose"), broken.toString());
            }
            begun.addAll(progress.begun());
        }
        requireWhole(options);
        assertTrue(begun.containsAll(Set.of("check", "assemble", "validate")), begun.toString());
    }

    @Test
    void nothingThatIsDoneIsDoneAgain() throws IOException {
        Breaking first = interrupted(GPTQ, new Breaking(stage -> {
            if (stage.equals("blk.1: solve")) {
                throw new IOException("broken on purpose");
            }
        }));
        Breaking second = finished(GPTQ);
        List<String> expected = new ArrayList<>(List.of("check", "blk.1: solve"));
        assertEquals(expected, second.begun().subList(0, 2), second.begun().toString());
        Set<String> both = new TreeSet<>(first.begun());
        both.retainAll(second.begun());
        assertEquals(Set.of("blk.1: solve"), both);
        assertTrue(
                second.said().contains("spark-gguf: 1 of 2 blocks are done"),
                second.said().toString());
    }

    /** Whatever file is lost or damaged between two runs, of a done block or the present one. */
    @ParameterizedTest
    @CsvSource({
        "blk.1: Hessians, hidden/.*",
        "blk.1: Hessians, inputs/.*",
        "blk.1: factors, .*tile-.*",
        "blk.1: solve, .*-panels",
        "blk.1: solve, .*-summary",
        "blk.1: solve, .*-importance",
        "blk.1: round, parts/unit-.*",
        "assemble, parts/unit-.*",
        "assemble, journal/segment-.*"
    })
    void whatWasLostIsMadeAgain(String stage, String pattern) throws IOException {
        long seed = (stage + pattern).hashCode();
        Random random = new Random(seed);
        interrupted(GPTQ, new Breaking(begun -> {
            if (begun.equals(stage)) {
                throw new IOException("broken on purpose");
            }
        }));
        List<Path> files = files(pattern);
        Path file = files.get(random.nextInt(files.size()));
        damage(file, random);
        Breaking progress = finished(GPTQ);
        String said = progress.said().toString();
        assertEquals(
                !pattern.startsWith("journal"),
                said.contains(" of the work folder are missing or damaged, " + file),
                "seed " + seed + ": " + said);
    }

    /** A run with other options, of which nothing else is left. */
    private void anotherRunTookItsPlace() throws IOException {
        Set<String> ours = Cli.names(folder.resolve("out.gguf.work"));
        interrupted("--type Q8_0", Breaking.after(1));
        Set<String> others = Cli.names(folder.resolve("out.gguf.work"));
        others.removeAll(ours);
        assertEquals(1, others.size());
        LocalStorage storage = new LocalStorage();
        storage.delete(folder.resolve("out.gguf.work")
                .resolve(others.iterator().next())
                .toString());
    }

    /** What was written into the unfinished file is known again by its digest, whatever became of the file. */
    @ParameterizedTest
    @ValueSource(strings = {"gone", "cut", "zeros", "one bit", "longer", "another"})
    void whatWasLostInPlaceIsMadeAgain(String what) throws IOException {
        interruptedAtItsEnd();
        Path file = folder.resolve("out.gguf.unfinished");
        byte[] bytes = Files.readAllBytes(file);
        int middle = bytes.length / 2;
        switch (what) {
            case "gone" -> Files.delete(file);
            case "cut" -> Files.write(file, Arrays.copyOf(bytes, middle));
            case "zeros" -> Files.write(file, new byte[bytes.length]);
            case "one bit" -> {
                bytes[middle] ^= 16;
                Files.write(file, bytes);
            }
            case "longer" -> Files.write(file, Arrays.copyOf(bytes, bytes.length + 77));
            default -> anotherRunTookItsPlace();
        }
        String said = finished(RTN).said().toString();
        Matcher found = Pattern.compile("(\\d+) of (\\d+) results are missing or damaged in " + file)
                .matcher(said);
        assertEquals(!what.equals("longer"), found.find(), said);
        if (!what.equals("longer")) {
            int lost = Integer.parseInt(found.group(1));
            int all = Integer.parseInt(found.group(2));
            boolean some = what.equals("cut") || what.equals("one bit");
            assertTrue(some ? lost > 0 && lost < all : lost == all, said);
        }
    }

    /** The guard rounds by an importance that is gone when its block is done: the block is opened again for it. */
    @Test
    void whatTheGuardDidIsDoneAgainWhenTheJournalLostIt() throws IOException {
        interrupted(GPTQ, new Breaking(begun -> {
            if (begun.equals("assemble")) {
                throw new IOException("broken on purpose");
            }
        }));
        int lost = 0;
        for (Path segment : files("journal/segment-.*")) {
            String text = Files.readString(segment);
            String damaged = text.replace(": guard\"", ": gu4rd\"");
            lost += damaged.equals(text) ? 0 : 1;
            Files.writeString(segment, damaged);
        }
        assertTrue(lost > 0, "the guard keeps a layer as it was");
        Breaking progress = finished(GPTQ);
        assertTrue(
                progress.begun().stream().anyMatch(stage -> stage.endsWith(": guard")),
                progress.begun().toString());
    }

    /** A file goes while the run is at work: it notices, and goes back to what made it. */
    @ParameterizedTest
    @CsvSource({
        "blk.0: inputs, hidden/.*",
        "blk.1: inputs, hidden/.*",
        "blk.1: inputs, parts/unit-.*",
        "blk.1: Hessians, inputs/.*",
        "blk.1: factors, .*tile-.*",
        "blk.1: solve, .*-factor-panels",
        "blk.0: propagate, parts/unit-.*",
        "assemble, parts/unit-.*"
    })
    void whatIsLostMeanwhileIsMadeAgain(String stage, String pattern) throws IOException {
        boolean[] lost = new boolean[1];
        Breaking progress = new Breaking(begun -> {
            if (begun.equals(stage) && !lost[0]) {
                lost[0] = true;
                for (Path file : files(pattern)) {
                    Files.delete(file);
                }
            }
        });
        run("local[2]", output, GPTQ, progress, WorkFolder.Start.ANY);
        assertTrue(lost[0], progress.begun().toString());
        requireWhole(GPTQ);
    }

    private Outcome cli(String command, String options, String... more) {
        List<String> line = new ArrayList<>(List.of(command, "--output", output.toString()));
        if (!options.isEmpty()) {
            line.addAll(options(options));
        }
        line.addAll(List.of(more));
        return Cli.run(line.toArray(String[]::new));
    }

    private void interruptedAtItsEnd() {
        interrupted(RTN, new Breaking(stage -> {
            if (stage.equals("assemble")) {
                throw new IOException("broken on purpose");
            }
        }));
    }

    @Test
    void onlyTheSameRunIsResumed() throws IOException {
        Outcome outcome = cli("quantize", RTN, "--resume");
        assertEquals(Main.REFUSED, outcome.code());
        String work = output + ".work";
        assertEquals("Cannot resume " + output + ": there is no unfinished run of it in " + work, outcome.reason());
        assertEquals(Set.of(), Cli.names(folder));

        interruptedAtItsEnd();
        outcome = cli("quantize", RTN, "--resume", "--pure");
        assertEquals(Main.REFUSED, outcome.code());
        assertEquals(
                "Cannot resume " + output + ": the unfinished run in " + work
                        + " is another one: types.pure is true, was false",
                outcome.reason());
        assertEquals(Set.of("out.gguf.unfinished", "out.gguf.work"), Cli.names(folder));

        outcome = cli("quantize", RTN, "--resume");
        assertEquals(0, outcome.code(), outcome.err());
        assertFalse(outcome.err().contains("quantize "), outcome.err());
        requireWhole(RTN);
        assertEquals(Main.USAGE, cli("quantize", RTN, "--resume", "--fresh").code());
    }

    @Test
    void aChangedSourceIsAnotherRun() throws IOException {
        Path changing = CheckpointDamage.copy(model, folder.resolve("model"));
        Path original = model;
        model = changing;
        try {
            interruptedAtItsEnd();
            Path weights = changing.resolve("model.safetensors");
            Files.setLastModifiedTime(
                    weights,
                    java.nio.file.attribute.FileTime.fromMillis(
                            Files.getLastModifiedTime(weights).toMillis() + 1000));
            Outcome outcome = cli("quantize", RTN, "--resume");
            assertTrue(
                    outcome.reason().matches(".* is another one: model\\.\\d+\\.modified is \\d+, was \\d+"),
                    outcome.err());
            outcome = cli("quantize", RTN);
            assertEquals(0, outcome.code(), outcome.err());
            assertTrue(outcome.err().contains("also holds what 1 run(s) with other input"), outcome.err());
            assertEquals(1, Cli.names(folder.resolve("out.gguf.work")).size());
        } finally {
            model = original;
        }
    }

    @Test
    void beginsAnewWhenAsked() throws IOException {
        interruptedAtItsEnd();
        Files.writeString(folder.resolve("out.gguf.unfinished"), "rubbish"); // nobody looks at it
        Outcome outcome = cli("quantize", RTN, "--fresh");
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(outcome.err().contains("removing what an earlier run left"), outcome.err());
        assertFalse(outcome.err().contains("damaged"), outcome.err());
        requireWhole(RTN);
    }

    @Test
    void cleanRemovesWhatRunsLeft() throws IOException {
        Outcome outcome = cli("clean", "");
        assertEquals("nothing to remove\n", outcome.out());
        assertEquals(Set.of(), Cli.names(folder));

        Files.writeString(output, "an older file");
        interruptedAtItsEnd();
        interrupted("--type Q8_0", Breaking.after(1));
        Files.writeString(folder.resolve("out.gguf.unfinished"), "half");
        Files.writeString(folder.resolve("out-00002-of-00003.gguf.unfinished"), "half");
        String killed = "out.gguf.unfinished.0b9a4ec7-782d-4e5b-9bf8-21ea80bc4638.tmp";
        Files.writeString(folder.resolve(killed), "a writer's that was killed");
        Files.writeString(folder.resolve("out-of-order.gguf.unfinished"), "another's");
        outcome = cli("clean", "");
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(
                5,
                outcome.out()
                        .lines()
                        .filter(line -> line.startsWith("removed "))
                        .count(),
                outcome.out());
        assertEquals(Set.of("out.gguf", "out-of-order.gguf.unfinished"), Cli.names(folder));
        assertEquals("an older file", Files.readString(output));
        assertEquals(Main.USAGE, Cli.run("clean").code());
    }

    @Test
    void oneRunAtATimeWritesATarget() throws Exception {
        Process other = new ProcessBuilder("sleep", "100").start();
        try {
            Owner owner = new Owner(
                    "20260101-000000-0123456789ab",
                    Owner.here().host(),
                    other.pid(),
                    other.info().startInstant().orElseThrow().toEpochMilli());
            Lease lease = Lease.take(new LocalStorage(), output.toString(), owner);
            String refused = "Cannot write \\Q" + output + "\\E: run \\Q" + owner.run() + "\\E of host \\Q"
                    + owner.host() + "\\E, process " + other.pid()
                    + ", since \\S+ is writing it (.*, which ends \\S+ unless it goes on.*";
            for (Outcome outcome : List.of(cli("quantize", RTN), cli("quantize", RTN, "--fresh"), cli("clean", ""))) {
                assertEquals(Main.REFUSED, outcome.code());
                assertTrue(outcome.reason().matches(refused.replace("(.*", "\\(.*")), outcome.err());
            }
            assertEquals(Set.of("out.gguf.lease"), Cli.names(folder));
            other.destroyForcibly().waitFor();
            assertEquals(0, cli("quantize", RTN).code());
            requireWhole(RTN);
            lease.close();
        } finally {
            other.destroyForcibly();
        }
    }

    /** Another run took the target while this one was held up: what that one writes is not replaced. */
    @Test
    void aRunThatLostItsTargetDoesNotPublish() throws IOException {
        Path lease = folder.resolve("out.gguf.lease");
        Breaking progress = new Breaking(stage -> {
            if (stage.equals("validate")) {
                Files.writeString(lease, Files.readString(lease).replaceAll("\"run\" : \"[^\"]*", "\"run\" : \"thief"));
            }
        });
        String reason = assertThrows(
                        IOException.class, () -> run("local[2]", output, RTN, progress, WorkFolder.Start.ANY))
                .getMessage();
        assertTrue(reason.startsWith("Cannot publish " + output + ": run thief "), reason);
        assertFalse(Files.exists(output));
        assertTrue(Files.exists(lease), "it is the other's");
        Files.delete(lease);
        assertEquals(0, cli("quantize", RTN, "--resume").code());
        assertEquals(undisturbed(RTN), Cli.sha256(output));
    }
}
