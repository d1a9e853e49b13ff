package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.job.CalibrationSettings;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.report.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Spark lets a second copy of a task run on when the first has come in. What it writes when its stage is long over must not
 * take the place of what a later stage made of the same rows.
 */
class LateTaskTest {
    @TempDir
    Path folder;

    private final Map<Path, byte[]> solved = new TreeMap<>();
    private int late;

    private QuantizeSettings settings(String output) {
        return new QuantizeSettings(
                Cli.DOCS_LM,
                folder.resolve(output).toString(),
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
                        List.of(Cli.DOCS_LM + "/samples-calibration.txt"),
                        64,
                        32,
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

    private Report run(String output, Breaking.Trap trap) throws IOException {
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("late")) {
            return new QuantizeJob(session, settings(output), new Breaking(trap)).run();
        } finally {
            System.clearProperty("spark.master");
        }
    }

    /** Before the guard's stage takes note of all parts; after it, writes them once more, as late copies of tasks do. */
    private void copiesComeLate(String stage) throws IOException {
        for (Map.Entry<Path, byte[]> part : solved.entrySet()) {
            byte[] now = Files.exists(part.getKey()) ? Files.readAllBytes(part.getKey()) : null;
            late += java.util.Arrays.equals(now, part.getValue()) ? 0 : 1;
            Files.write(part.getKey(), part.getValue());
        }
        solved.clear();
        if (stage.endsWith(": guard")) {
            try (Stream<Path> files = Files.walk(folder.resolve("late.gguf.work"))) {
                for (Path part :
                        files.filter(file -> file.toString().contains("/unit-")).toList()) {
                    solved.put(part, Files.readAllBytes(part));
                }
            }
        }
    }

    @Test
    void doesNotUndoWhatTheGuardDid() throws IOException {
        Report expected = run("undisturbed.gguf", stage -> {});
        assertFalse(expected.calibration().fallbacks().isEmpty(), "the guard keeps some layers as they were");
        Report report = run("late.gguf", this::copiesComeLate);
        assertTrue(late > 0, "copies came late");
        assertEquals(List.of(), report.warnings(), "nothing had to be made again");
        assertEquals(
                Cli.sha256(folder.resolve("undisturbed.gguf")), Cli.sha256(folder.resolve("late.gguf")), "the bytes");
    }
}
