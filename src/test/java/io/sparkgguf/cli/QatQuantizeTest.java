package io.sparkgguf.cli;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.storage.Digest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** A small llama whose blocks are trained on their grids: closer to the original, the same bytes however it is done. */
class QatQuantizeTest {
    private static final int LENGTH = 32;
    private static final long SEED = 20261124;

    /** So few that what is held out resembles what is trained on. */
    private static final int WORDS = 6;

    @TempDir
    static Path folder;

    private static Path model;
    private static Path text;
    private static Path first;
    private static Outcome outcome;

    @BeforeAll
    static void train() throws IOException {
        model = Fixture.LLAMA.write(folder.resolve("llama"));
        text = folder.resolve("tokens.bin");
        ByteBuffer tokens = ByteBuffer.allocate(4 * 24 * LENGTH).order(ByteOrder.LITTLE_ENDIAN);
        Random random = new Random(SEED);
        while (tokens.hasRemaining()) {
            tokens.putInt(3 + random.nextInt(WORDS));
        }
        Files.write(text, tokens.array());
        first = folder.resolve("first.gguf");
        outcome = run("local[2]", first, "--qat-steps", "24", "--qat-learning-rate", "0.01");
        assertEquals(0, outcome.code(), outcome.err());
    }

    /** Of blocks by themselves, if nothing else is said. */
    private static List<String> options(Path output, String... more) {
        List<String> line = new ArrayList<>(List.of("--model", model.toString(), "--output", output.toString()));
        line.addAll(List.of("--pure", "--calibration", text.toString(), "--sequence-length", "" + LENGTH));
        line.addAll(List.of("--sweeps", "0", "--shard-tokens", "" + 6 * LENGTH, "--method", "qat"));
        line.addAll(List.of(more));
        if (!line.contains("--qat-model-steps")) {
            line.addAll(List.of("--qat-model-steps", "0"));
        }
        if (!line.contains("--type")) {
            line.addAll(List.of("--type", "Q2_K"));
        }
        return line;
    }

    private static Outcome run(String master, Path output, String... more) {
        List<String> line = options(output, more);
        line.add(0, "quantize");
        return Cli.runOn(master, line.toArray(String[]::new));
    }

    private static Report report(Path output) throws IOException {
        Path file = Path.of(output + ".report.json");
        return ReportFile.parse(Files.readAllBytes(file), file.toString());
    }

    @Test
    void blocksComeCloserToTheOriginalOnesAndTheReportTellsHowFar() throws IOException {
        Report report = report(first);
        assertEquals("qat", report.method());
        List<CalibrationReport.TrainedBlock> blocks = report.calibration().training();
        assertEquals(
                List.of(0, 1),
                blocks.stream().map(CalibrationReport.TrainedBlock::block).toList());
        for (CalibrationReport.TrainedBlock block : blocks) {
            assertEquals("improved", block.end(), block.toString());
            assertTrue(block.after() < block.before(), block.toString());
            assertEquals(7, block.layers().size());
            assertEquals(24, block.steps());
            assertEquals(3, block.heldOut().size(), "the start, step 20 and the last one");
            assertEquals(1, block.heldOut().get(0));
            assertTrue(block.bestStep() == 20 || block.bestStep() == 24, block.toString());
            assertTrue(block.seconds() > 0);
        }
        assertEquals(
                14,
                report.tensors().stream()
                        .filter(tensor -> tensor.calibration() != null)
                        .filter(tensor -> tensor.calibration().method().equals("qat"))
                        .count());
        assertTrue(outcome.err().contains("spark-gguf: block 1 of 2, step 20 of 24: held-out error "), outcome.err());
        assertTrue(outcome.out().contains("  training        2 of 2 blocks improved"), outcome.out());
        assertFalse(Files.exists(Path.of(first + ".work")));
        Outcome validated = Cli.run("validate", first.toString());
        assertEquals(0, validated.code(), validated.err());
    }

    /** Which tasks do it, and how units are cut, is not in the bytes. */
    @Test
    void theBytesDoNotDependOnHowTrainingIsSpread() throws IOException {
        Path output = folder.resolve("sequences.gguf");
        Outcome other = run(
                "local[1]",
                output,
                "--qat-steps",
                "24",
                "--qat-learning-rate",
                "0.01",
                "--qat-spread",
                "sequences",
                "--unit-memory",
                "256k");
        assertEquals(0, other.code(), other.err());
        assertEquals(Cli.sha256(first), Cli.sha256(output));
        assertNotEquals(
                report(first).calibration().seconds().keySet(),
                report(output).calibration().seconds().keySet());
    }

    @Command
    private static final class Line {
        @Mixin
        private QuantizeOptions options;
    }

    private static QuantizeSettings settings(Path output, String... more) throws IOException {
        Line line = new Line();
        List<String> arguments = options(output, more);
        arguments.subList(2, 4).clear(); // the output is none of these options
        CommandLine command = new CommandLine(line).setCaseInsensitiveEnumValuesAllowed(true);
        return line.options.settings(
                command.parseArgs(arguments.toArray(String[]::new)), output.toString(), null, null);
    }

    /** Runs until the stage of this name begins for the so-and-so-many-th time. */
    private static Breaking breaks(Path output, String stage, int times, String... more) throws IOException {
        int[] begun = new int[1];
        Breaking broken = new Breaking(name -> {
            if (name.equals(stage) && ++begun[0] == times) {
                throw new IOException("broken at " + stage);
            }
        });
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("broken")) {
            QuantizeJob job = new QuantizeJob(session, settings(output, more), broken);
            assertEquals(
                    "broken at " + stage,
                    assertThrows(UncheckedIOException.class, job::run)
                            .getCause()
                            .getMessage());
        } finally {
            System.clearProperty("spark.master");
        }
        return broken;
    }

    /** A step has two stages, each measurement one more: the 52nd is behind step 24 of the second block's. */
    @ParameterizedTest
    @CsvSource({"blocks, 2", "sequences, 46"})
    void goesOnBetweenTheStepsOfABlock(String spread, int times) throws IOException {
        Path output = folder.resolve("broken-" + spread + ".gguf");
        String[] options = {"--qat-steps", "24", "--qat-learning-rate", "0.01", "--qat-spread", spread};
        breaks(output, "blk.1: train", times, options);
        Outcome resumed = run("local[2]", output, options);
        assertEquals(0, resumed.code(), resumed.err());
        assertTrue(resumed.err().contains("spark-gguf: 1 of 2 blocks are done"), resumed.err());
        assertTrue(resumed.err().contains("spark-gguf: the training of block 1 goes on at step 20"), resumed.err());
        assertFalse(resumed.err().contains("block 1 of 2, step 20"), resumed.err());
        assertFalse(resumed.err().contains("block 2 of 2, step 20"), resumed.err());
        assertEquals(Cli.sha256(first), Cli.sha256(output));
        assertFalse(Files.exists(Path.of(output + ".work")));
    }

    /** Once trained parts are gone, so are those that training began with: the block is solved and trained again. */
    @Test
    void aTrainedPartThatWasLostIsTrainedAgain() throws IOException {
        Path output = folder.resolve("lost.gguf");
        String[] options = {"--qat-steps", "24", "--qat-learning-rate", "0.01"};
        breaks(output, "blk.1: inputs", 1, options);
        List<Path> parts;
        try (Stream<Path> files = Files.walk(Path.of(output + ".work"))) {
            parts = files.filter(file -> file.getFileName().toString().contains("trained"))
                    .sorted()
                    .toList();
        }
        assertEquals(7, parts.size());
        Files.delete(parts.get(3));
        Outcome resumed = run("local[2]", output, options);
        assertEquals(0, resumed.code(), resumed.err());
        assertTrue(resumed.err().contains("spark-gguf: block 1 of 2, step 24 of 24"), resumed.err());
        assertEquals(Cli.sha256(first), Cli.sha256(output));
    }

    /** With inputs of original weights all blocks are trained at once, and come out as one after the other. */
    @Test
    void blocksWithOriginalInputsAreTrainedSideBySide() throws IOException {
        Path together = folder.resolve("together.gguf");
        String[] options = {"--qat-steps", "21", "--qat-learning-rate", "0.01", "--propagate", "original"};
        Breaking broken = breaks(together, "train", 2, options);
        assertTrue(broken.begun().contains("blk.1: teach"), broken.begun().toString());
        Outcome resumed = run("local[2]", together, options);
        assertEquals(0, resumed.code(), resumed.err());
        assertTrue(resumed.err().contains("the training of block 0 goes on at step 20"), resumed.err());
        assertTrue(resumed.err().contains("the training of block 1 goes on at step 20"), resumed.err());
        Path apart = folder.resolve("apart.gguf");
        Outcome other = run(
                "local[2]",
                apart,
                "--qat-steps",
                "21",
                "--qat-learning-rate",
                "0.01",
                "--propagate",
                "original",
                "--qat-spread",
                "sequences");
        assertEquals(0, other.code(), other.err());
        assertEquals(Cli.sha256(together), Cli.sha256(apart));
    }

    private static final String[] TOGETHER = {
        "--qat-steps", "4", "--qat-model-steps", "25", "--qat-learning-rate", "0.01"
    };

    /**
     * All blocks together, behind each by itself: closer to the original model's predictions. A run that was broken between two
     * measurements, and of which a part was lost that training ended with, ends with the same bytes.
     */
    @Test
    void allBlocksAreTrainedTogether() throws IOException {
        Path output = folder.resolve("all.gguf");
        Outcome whole = run("local[2]", output, TOGETHER);
        assertEquals(0, whole.code(), whole.err());
        Report report = report(output);
        CalibrationReport.TrainedModel trained = report.calibration().together();
        assertEquals("improved", trained.end(), trained.toString());
        assertEquals(14, trained.layers());
        assertEquals(25, trained.steps());
        assertEquals(3, trained.heldOut().size(), "the start, step 20 and the last one");
        assertTrue(trained.bestStep() == 20 || trained.bestStep() == 25, trained.toString());
        assertTrue(trained.after() < trained.before(), trained.toString());
        assertTrue(whole.err().contains("spark-gguf: all blocks together, step 20 of 25: held-out "), whole.err());
        assertTrue(whole.out().contains("  all together    improved after "), whole.out());
        assertTrue(divergence(output) < divergence(without(output)), "of the files, by evaluate");
        assertFalse(Files.exists(Path.of(output + ".work")));

        Path broken = folder.resolve("all-broken.gguf");
        breaks(broken, "model: train", 1 + 3 + 2 * 22, TOGETHER);
        Outcome resumed = run("local[1]", broken, TOGETHER);
        assertEquals(0, resumed.code(), resumed.err());
        assertTrue(resumed.err().contains("spark-gguf: the training of all blocks goes on at step 20"), resumed.err());
        assertEquals(Cli.sha256(output), Cli.sha256(broken));

        Path lost = folder.resolve("all-lost.gguf");
        breaks(lost, "assemble", 1, TOGETHER);
        try (Stream<Path> files = Files.walk(Path.of(lost + ".work"))) {
            List<Path> parts = files.filter(
                            file -> file.getFileName().toString().contains("together"))
                    .sorted()
                    .toList();
            assertEquals(14, parts.size(), parts.toString());
            Files.delete(parts.get(3));
        }
        Outcome mended = run("local[2]", lost, TOGETHER);
        assertEquals(0, mended.code(), mended.err());
        assertFalse(mended.err().contains("all blocks together, step"), mended.err());
        assertEquals(Cli.sha256(output), Cli.sha256(lost));
    }

    /** The same run without training all together. */
    private static Path without(Path output) {
        Path other = Path.of(output + "-blocks.gguf");
        String[] options = TOGETHER.clone();
        options[3] = "0";
        Outcome blocks = run("local[2]", other, options);
        assertEquals(0, blocks.code(), blocks.err());
        return other;
    }

    /** Mean divergence of a file's predictions from the model's, on what it was calibrated on. */
    private static double divergence(Path file) throws IOException {
        Outcome told = Cli.run(
                "evaluate",
                "--model",
                model.toString(),
                "--gguf",
                file.toString(),
                "--text",
                text.toString(),
                "--context",
                "" + LENGTH,
                "--json");
        assertEquals(0, told.code(), told.err());
        JsonNode kld = new ObjectMapper().readTree(told.out()).at("/models/0/comparison/kld");
        assertTrue(kld.isNumber(), told.out());
        return kld.doubleValue();
    }

    @Test
    void stepsOfAllBlocksCannotBeNegative() {
        Outcome refused = run("local[1]", folder.resolve("none.gguf"), "--qat-model-steps", "-2");
        assertEquals("Cannot use --qat-model-steps -2: the least is 0, for none", refused.reason());
    }

    /** An error that is no number: the block keeps what it began with, and the console says so at the end. */
    @Test
    void aBlockThatDivergesKeepsWhatGptqMade() throws IOException {
        Path output = folder.resolve("diverged.gguf");
        Path work = Path.of(output + ".work");
        Breaking spoiling = new Breaking(name -> {
            if (name.equals("blk.0: train")) {
                spoil(work);
            }
        });
        System.setProperty("spark.master", "local[2]");
        Report report;
        try (Session session = new Session("spoiled")) {
            report = new QuantizeJob(session, settings(output, "--qat-steps", "2"), spoiling).run();
        } finally {
            System.clearProperty("spark.master");
        }
        CalibrationReport.TrainedBlock block = report.calibration().training().get(0);
        assertEquals("diverged", block.end());
        assertEquals(0, block.bestStep());
        assertEquals(block.before(), block.after());
        String note = "block 0: training diverged at step 1 of 2, it keeps what GPTQ made";
        assertTrue(report.warnings().contains(note), report.warnings().toString());
        assertEquals(
                "gptq",
                report.tensors().stream()
                        .filter(tensor -> tensor.name().equals("blk.0.ffn_up.weight"))
                        .findFirst()
                        .orElseThrow()
                        .calibration()
                        .method());
    }

    /** Makes one number of what the first sequence is trained towards no number. */
    private static void spoil(Path work) throws IOException {
        Path file;
        try (Stream<Path> files = Files.walk(work)) {
            file = files.filter(each -> each.getFileName().toString().equals("target-shard-000000"))
                    .findFirst()
                    .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer states = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int header = 4 * Integer.BYTES + Long.BYTES;
        int section = LENGTH * 256 * Float.BYTES;
        states.putFloat(header, Float.NaN);
        states.putLong(header + section, Digest.of(bytes, header, section));
        Files.write(file, bytes);
    }

    /** A task for each block and measurement, or one for each sequence and one for each layer of each step. */
    @Test
    void planTellsWhatTrainingTakes() throws IOException {
        assertEquals(Map.of("teach", 10L, "train", 6L), planned());
        assertEquals(
                Map.of("teach", 10L, "gradients", 2 * (50 * 22 + 3 * 2L), "layers", 2 * 50 * 7L),
                planned("--qat-spread", "sequences"));
        assertEquals(Map.of("teach", 10L, "train", 6L), planned("--propagate", "original"));
        assertEquals(
                Map.of(
                        "teach",
                        10L,
                        "train",
                        6L,
                        "teach model",
                        5L,
                        "model gradients",
                        30 * 22 + 2 * 2L,
                        "layers",
                        30 * 14L),
                planned("--qat-model-steps", "30"));
        Outcome refused = plan("--executor-memory", "28m", "--model", DOCS_LM, "--qat-spread", "blocks");
        assertEquals(3, refused.code(), refused.err() + refused.out());
        assertTrue(refused.reason().contains("a task of train holds "), refused.reason());
        assertTrue(refused.reason().endsWith(", or --qat-spread sequences"), refused.reason());
    }

    private static Outcome plan(String... more) {
        List<String> line = options(folder.resolve("plan.gguf"), more);
        line.subList(2, 4).clear();
        if (line.contains(DOCS_LM)) {
            line.subList(0, 2).clear();
        }
        line.add(0, "plan");
        line.addAll(List.of("--qat-steps", "50", "--json"));
        return Cli.run(line.toArray(String[]::new));
    }

    /** Numbers of tasks by kind, of those that train. */
    private static Map<String, Long> planned(String... more) throws IOException {
        Outcome plan = plan(more);
        assertEquals(0, plan.code(), plan.err());
        Map<String, Long> tasks = new TreeMap<>();
        for (JsonNode stage : new ObjectMapper().readTree(plan.out()).at("/cost/stages")) {
            String kind = stage.get("kind").textValue();
            if (Set.of("teach", "train", "gradients", "layers", "teach model", "model gradients")
                    .contains(kind)) {
                tasks.put(kind, stage.get("tasks").longValue());
                assertTrue(stage.get("coreSeconds").doubleValue() > 0, kind);
                assertTrue(stage.get("memory").longValue() > 1 << 20, kind);
            }
        }
        return tasks;
    }

    @ParameterizedTest
    @ValueSource(strings = {"TQ2_0", "Q1_0"})
    void anyLlamaGoesToOneAndAHalfBits(String type) throws IOException {
        Path output = folder.resolve(type + ".gguf");
        Outcome done = run("local[2]", output, "--type", type, "--qat-steps", "4");
        assertEquals(0, done.code(), done.err());
        assertEquals(2, report(output).calibration().training().size());
        assertTrue(
                report(output).types().stream().anyMatch(total -> total.type().equals(type)));
    }

    @Test
    void oneLayerCanBeTrainedAlone() throws IOException {
        Path output = folder.resolve("one.gguf");
        Outcome done =
                run("local[2]", output, "--type", "Q4_0", "--qat-steps", "2", "--qat-tensors", "blk\\.1\\.ffn_down");
        assertEquals(0, done.code(), done.err());
        List<CalibrationReport.TrainedBlock> blocks =
                report(output).calibration().training();
        assertEquals(1, blocks.size());
        assertEquals(List.of("blk.1.ffn_down"), blocks.get(0).layers());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--type Q4_0 | Cannot use --method qat: no linear layer of a block gets a type with a grid of fewer than 4"
                        + " bits a weight; --qat-tensors PATTERN names those to train all the same",
                "--qat-tensors attn_x | Cannot use --qat-tensors \"attn_x\": no linear layer of a block has it in its name,"
                        + " for example blk.0.attn_q.weight",
                "--qat-tensors attn_[ | Cannot use --qat-tensors \"attn_[\": Unclosed character class at character 5",
                "--type F16 --qat-tensors attn_k | Cannot train blk.0.attn_k.weight as F16: the type has no grid",
                "--qat-steps 0 | Cannot use --qat-steps 0: the least is 1",
                "--qat-tokens 0 | Cannot use --qat-tokens 0: the least is 1",
                "--qat-learning-rate 2 | Cannot use --qat-learning-rate 2.0: it is a share of the distance of two levels,"
                        + " above 0 and up to 1, for example 0.002",
                "--hold-out 0 | Cannot train with --hold-out 0: sequences that are held out tell what training gained"
            })
    void whatCannotBeIsRefusedBeforeAnythingIsRead(String options, String reason) {
        Path output = folder.resolve("refused.gguf");
        Outcome refused = run("local[2]", output, options.split(" "));
        assertEquals(reason.replace("0.002", "" + QatSettings.DEFAULT_RATE), refused.reason());
        assertFalse(Files.exists(output));
    }

    @Test
    void otherRefusals() throws IOException {
        Path bitnet = Fixture.BITNET.write(folder.resolve("bitnet"));
        Outcome noWayBack = Cli.run(
                "quantize",
                "--model",
                bitnet.toString(),
                "--output",
                folder.resolve("bitnet.gguf").toString(),
                "--type",
                "TQ2_0",
                "--method",
                "qat",
                "--calibration",
                text.toString(),
                "--sequence-length",
                "" + LENGTH);
        assertTrue(
                noWayBack
                        .reason()
                        .matches("Cannot use --method qat with .*: it has norms before its output and down"
                                + " projections and a gate that is not SiLU.*, through which there is no backward pass here;"
                                + " --method gptq does without"),
                noWayBack.reason());
        String[] common = {"quantize", "--model", model.toString(), "--output", "x.gguf", "--type", "Q2_K"};
        Outcome noText = Cli.run(concat(common, "--method", "qat"));
        assertEquals(
                "Cannot use --method qat: it needs --calibration FILE, text like that which the model is for; none is made"
                        + " up here",
                noText.reason());
        Outcome noMethod = Cli.run(concat(common, "--calibration", text.toString(), "--qat-steps", "3"));
        assertEquals("Cannot use --qat-steps without --method qat: it says how to train", noMethod.reason());
    }

    private static String[] concat(String[] common, String... more) {
        return Stream.concat(Stream.of(common), Stream.of(more)).toArray(String[]::new);
    }
}
