package io.sparkgguf.cli;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.job.CalibrationSettings;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.report.CalibratedTensor;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** docs-lm calibrated on text that it wrote itself: better layers, the same bytes however the work is done. */
class CalibratedQuantizeTest {
    private static final String TEXT = DOCS_LM + "/samples-calibration.txt";
    private static final String TOKENS = "3072";
    private static final String LENGTH = "256";

    @TempDir
    static Path folder;

    private static Path first;
    private static String firstOut;

    @BeforeAll
    static void calibrate() throws IOException {
        first = folder.resolve("first.gguf");
        Outcome outcome = run("local[2]", first, "Q3_K_S");
        assertEquals(0, outcome.code(), outcome.err());
        firstOut = outcome.out();
    }

    private static Outcome run(String master, Path output, String type, String... more) {
        return run(master, TOKENS, output, type, more);
    }

    private static Outcome run(String master, String tokens, Path output, String type, String... more) {
        List<String> line = new ArrayList<>(List.of("quantize", "--model", DOCS_LM, "--output", output.toString()));
        line.addAll(List.of("--type", type, "--calibration", TEXT));
        line.addAll(List.of("--calibration-tokens", tokens, "--sequence-length", LENGTH));
        line.addAll(List.of(more));
        return Cli.runOn(master, line.toArray(String[]::new));
    }

    private static Report report(Path output) throws IOException {
        Path file = Path.of(output + ".report.json");
        return ReportFile.parse(Files.readAllBytes(file), file.toString());
    }

    @Test
    void everyLayerIsBetterThanByImportanceOnTokensThatItNeverSaw() throws IOException {
        Report report = report(first);
        assertEquals("gptq", report.method());
        int solved = 0;
        for (Report.Tensor tensor : report.tensors()) {
            CalibratedTensor outcome = tensor.calibration();
            assertEquals(
                    tensor.name().matches("blk\\.\\d\\.(attn_[qkv]|attn_output|ffn_.*)\\.weight")
                            && !tensor.name().contains("norm"),
                    outcome != null,
                    tensor.name());
            if (outcome != null && outcome.heldOut() != null) {
                solved++;
                boolean better = outcome.heldOutTowardsOriginal().gptq()
                        < outcome.heldOutTowardsOriginal().imatrix();
                assertEquals(better ? "gptq" : "imatrix", outcome.method(), tensor.name());
                assertEquals(better, outcome.fallback() == null, tensor.name());
                assertTrue(outcome.training().gptq() < 0.9 * outcome.training().imatrix(), tensor.name());
                assertEquals(2816, outcome.tokens(), tensor.name());
                assertEquals(256, outcome.heldOutTokens());
            }
        }
        assertEquals(42, solved);
        long kept = report.tensors().stream()
                .filter(tensor -> tensor.calibration() != null)
                .filter(tensor -> tensor.calibration().method().equals("gptq"))
                .count();
        assertTrue(kept >= 36, "GPTQ was kept for " + kept + " of 42 tensors");
        assertEquals(42 - kept, report.calibration().fallbacks().size());
        assertEquals(
                Set.of("embed", "inputs", "hessians", "factors", "solve", "propagate"),
                report.calibration().seconds().keySet());
    }

    @Test
    void leavesTheFileAndItsReportOnly() throws IOException {
        assertTrue(Cli.names(folder).containsAll(Set.of("first.gguf", "first.gguf.report.json")));
        assertFalse(Cli.names(folder).contains("first.gguf.work"));
        String method =
                "method          GPTQ, 3,072 tokens in sequences of 256, 256 of them held out; 42 tensors solved,";
        assertTrue(firstOut.contains(method), firstOut);
        Outcome validated = Cli.run("validate", first.toString());
        assertEquals(0, validated.code(), validated.err());
    }

    /** Threads, slices of rows, tiles, and a Hessian that goes through a file: nothing of it is in the bytes. */
    @Test
    void theBytesDoNotDependOnHowTheWorkIsCut() throws IOException {
        Path output = folder.resolve("cut.gguf");
        Outcome outcome = run(
                "local[1]",
                output,
                "Q3_K_S",
                "--unit-memory",
                "256k",
                "--solve-memory",
                "5m",
                "--hessian-memory",
                "600k",
                "--tile-size",
                "64");
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(Cli.sha256(first), Cli.sha256(output));
    }

    /** Breaks at the beginning of a stage. */
    private record Breaking(String stage, List<String> lines) implements Progress {
        @Override
        public void say(String line) {
            lines.add(line);
        }

        @Override
        public void begin(String begun, long total, Unit unit) {
            if (begun.equals(stage)) {
                throw new IllegalStateException("broken at " + stage);
            }
        }

        @Override
        public void advance(long work) {}

        @Override
        public void end() {}
    }

    private static QuantizeSettings settings(Path output) {
        return new QuantizeSettings(
                DOCS_LM,
                output.toString(),
                null,
                null,
                TypeOptions.builder(FileType.Q3_K_S).build(),
                null,
                new ImportanceFilter(List.of(), List.of()),
                List.of(),
                null,
                false,
                0,
                QuantizeSettings.DEFAULT_UNIT_MEMORY,
                false,
                null,
                new CalibrationSettings(
                        List.of(TEXT),
                        Long.parseLong(TOKENS),
                        Integer.parseInt(LENGTH),
                        Packing.DOCUMENTS,
                        0,
                        CalibrationSettings.DEFAULT_HOLD_OUT,
                        null,
                        GptqOptions.DEFAULT,
                        CalibrationSettings.DEFAULT_MIN_BITS,
                        CalibrationSettings.Propagate.QUANTIZED,
                        CalibrationSettings.DEFAULT_TARGET_CORRECTION,
                        false,
                        false,
                        true,
                        CalibrationSettings.Work.DEFAULT,
                        null),
                Map.of());
    }

    @Test
    void goesOnWhereABrokenRunEnded() throws IOException {
        Path output = folder.resolve("broken.gguf");
        Path work = folder.resolve("broken.gguf.work");
        List<String> lines = new ArrayList<>();
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("broken")) {
            QuantizeJob job = new QuantizeJob(session, settings(output), new Breaking("blk.3: solve", lines));
            assertEquals(
                    "broken at blk.3: solve",
                    assertThrows(IllegalStateException.class, job::run).getMessage());
        } finally {
            System.clearProperty("spark.master");
        }
        String left = work + "/" + Cli.names(work).first();
        assertEquals(
                "spark-gguf: what is done stays in " + left
                        + "; the same command goes on from there, 'spark-gguf clean' removes it",
                lines.get(lines.size() - 1));
        assertFalse(Files.exists(folder.resolve("broken.gguf.unfinished")));

        Outcome outcome = run("local[2]", output, "Q3_K_S");
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(
                outcome.err().contains("spark-gguf: going on from what an earlier run left in " + left), outcome.err());
        assertTrue(outcome.err().contains("spark-gguf: 3 of 6 blocks are done"), outcome.err());
        assertEquals(Cli.sha256(first), Cli.sha256(output));
        assertFalse(Files.exists(work));
        assertEquals(
                48 - 6,
                report(output).tensors().stream()
                        .filter(tensor -> tensor.calibration() != null)
                        .count());
    }

    @Test
    void roundsByImportanceOfItsOwn() throws IOException {
        Path output = folder.resolve("imatrix.gguf");
        Outcome outcome = run("local[2]", "768", output, "Q4_K_M", "--method", "imatrix");
        assertEquals(0, outcome.code(), outcome.err());
        Report report = report(output);
        assertEquals("imatrix", report.method());
        assertEquals(42, report.calibration().weighted());
        assertEquals(0, report.calibration().solved());
        assertTrue(report.tensors().stream()
                .filter(tensor -> tensor.calibration() != null)
                .allMatch(tensor -> tensor.importance()
                        && tensor.calibration().method().equals("imatrix")
                        && tensor.calibration().fallback() == null));
    }

    /** Original weights make the hidden states of the next block in the pass that sees inputs; quantized ones need another. */
    @ParameterizedTest
    @CsvSource({
        "imatrix,,false",
        "imatrix,original,false",
        "imatrix,quantized,true",
        "gptq,,true",
        "gptq,original,false"
    })
    void importanceIsThatOfTheOriginalWeightsUnlessAskedFor(String method, String propagate, boolean quantized)
            throws IOException {
        Path output = folder.resolve(method + "-" + propagate + ".gguf");
        String[] more = propagate == null ? new String[0] : new String[] {"--propagate", propagate};
        List<String> options = new ArrayList<>(List.of("--method", method, "--sweeps", "0"));
        options.addAll(List.of(more));
        Outcome outcome = run("local[2]", "512", output, "Q4_0", options.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(quantized, report(output).calibration().seconds().containsKey("propagate"));
    }

    @Test
    void theHeadAndTheOrderWithinABlockAreOptions() throws IOException {
        Path output = folder.resolve("head.gguf");
        Outcome outcome = run(
                "local[2]",
                "768",
                output,
                "Q4_K_S",
                "--calibrate-head",
                "--output-tensor-type",
                "Q5_K",
                "--true-sequential",
                "--hold-out",
                "0",
                "--propagate",
                "original");
        assertEquals(0, outcome.code(), outcome.err());
        CalibratedTensor head = report(output).tensors().stream()
                .filter(tensor -> tensor.name().equals("output.weight"))
                .findFirst()
                .orElseThrow()
                .calibration();
        assertEquals("gptq", head.method());
        assertEquals(0, head.heldOutTokens());
        assertEquals(null, head.heldOut());
        assertTrue(head.training().gptq() < head.training().imatrix());
    }

    @Test
    void planTellsWhatTasksHold() {
        Outcome outcome = Cli.run("plan", "--model", DOCS_LM, "--type", "Q3_K_S", "--calibration", TEXT);
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(
                outcome.out()
                        .matches("(?s).*calibration: [\\d,]+ tokens in \\d+ sequences of 1,024 \\([\\d,]+ tokens held"
                                + " out\\), \\d+ shards; 42 tensors solved, 0 weighted\n.*"),
                outcome.out());
        for (String kind :
                List.of("embed", "inputs", "hessians", "factors", "solve", "propagate", "assemble", "validate")) {
            assertTrue(outcome.out().matches("(?s).*\n" + kind + " +[\\d,]+ .* [KMG]iB .*"), kind + outcome.out());
        }
        assertTrue(
                outcome.out()
                        .matches(
                                "(?s).*a task holds at most .* MiB, the driver .* MiB; the work folder holds at most .*"),
                outcome.out());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--method gptq | Cannot use --method gptq: it needs --calibration FILE, text like that which the model is"
                        + " for; none is made up here",
                "--method imatrix | Cannot use --method imatrix: it needs --imatrix FILE, or --calibration FILE to make"
                        + " one from",
                "--method rtn --calibration x.txt | Cannot use --method rtn: --calibration is given, which plain rounding"
                        + " does not use",
                "--method rtn --imatrix x.gguf | Cannot use --method rtn: --imatrix is given, which plain rounding does"
                        + " not use",
                "--damping 0.1 | Cannot use --damping without --calibration: it says how to calibrate",
                "--calibration x.txt --damping 0 | Cannot damp with a constant of 0.0: it must be a finite number above 0",
                "--calibration x.txt --hold-out 0.6 | Cannot use --hold-out 0.6: it is a share of the sequences between 0"
                        + " and 0.5, for example 0.1",
                "--calibration x.txt --sequence-length 1 | Cannot use --sequence-length 1: it must lie between 2 and"
                        + " 1048576, for example 2048",
                "--calibration x.txt --target-correction 1.5 | Cannot use --target-correction 1.5: it is a share between 0"
                        + " and 1, for example 0.5",
                "--calibration x.txt --target-correction 0.5 --propagate original | Cannot use --target-correction 0.5"
                        + " with --propagate original: inputs of original weights have nothing to correct",
                "--calibration x.txt --target-correction 0.5 --method imatrix | Cannot use --target-correction 0.5 with"
                        + " --method imatrix: it is for what gptq solves",
                "--target-correction 0.5 | Cannot use --target-correction without --calibration: it says how to calibrate",
                "--calibration x.txt --sweeps 0 --refit | Cannot fit scales again in 0 sweeps: the least is 1",
                "--calibration x.txt --gptq-min-bits -1 | Cannot use --gptq-min-bits -1.0: it must be 0 or more",
            })
    void refusesOptionsThatContradictThemselves(String options, String reason) {
        List<String> line = new ArrayList<>(List.of("plan", "--model", DOCS_LM, "--type", "Q4_K_M"));
        line.addAll(List.of(options.split(" ")));
        Outcome outcome = Cli.run(line.toArray(String[]::new));
        assertEquals(reason, outcome.reason());
        assertEquals(Main.USAGE, outcome.code());
    }
}
