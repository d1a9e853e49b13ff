package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs-lm with and without the correction of targets: what layers give of text that no run saw. */
class TargetCorrectionRunTest {
    private static final int TOKENS = 1024;
    private static final int LENGTH = 256;

    @TempDir
    Path folder;

    private final Storage storage = new LocalStorage();

    private Path quantize(String name, String... more) {
        List<String> options = new ArrayList<>(List.of("--calibration", DOCS_LM + "/samples-calibration.txt"));
        options.addAll(List.of("--calibration-tokens", "3072", "--sequence-length", "" + LENGTH));
        options.addAll(List.of(more));
        return Cli.quantize(folder.resolve(name), DOCS_LM, "Q3_K_S", options.toArray(String[]::new));
    }

    private RunnableModel model(String location) throws IOException {
        return RunnableModel.of(Checkpoint.open(storage, location, null));
    }

    private static Report report(Path output) throws IOException {
        Path file = Path.of(output + ".report.json");
        return ReportFile.parse(Files.readAllBytes(file), file.toString());
    }

    @Test
    void outputsComeCloserToTheOriginalOnes() throws IOException {
        Path off = quantize("off.gguf", "--target-correction", "0");
        Path on = quantize("on.gguf");
        assertNotEquals(Cli.sha256(off), Cli.sha256(on));
        String key = "quantize.calibration.target_correction";
        assertFalse(Checkpoint.open(storage, off.toString(), null)
                .model()
                .metadata()
                .contains(key));
        assertTrue(
                Checkpoint.open(storage, on.toString(), null).model().metadata().contains(key));
        report(off).tensors().stream()
                .filter(tensor -> tensor.calibration() != null)
                .forEach(tensor -> assertNull(tensor.calibration().heldOutTowardsOriginal(), tensor.name()));

        TokenSequences tokens = CalibrationText.read(
                storage,
                Checkpoint.open(storage, DOCS_LM, null).model().metadata(),
                DOCS_LM,
                new TextSettings(
                        "test", List.of(DOCS_LM + "/samples-eval.txt"), null, LENGTH, TOKENS, 0, Packing.DOCUMENTS));
        double without = distance(tokens, off);
        double with = distance(tokens, on);
        assertTrue(with < 0.95 * without, with + " with correction, " + without + " without");
    }

    /** The sum over linear layers of |Q x - W y|² / |W y|², y being what the original model's layer reads. */
    private double distance(TokenSequences tokens, Path quantized) throws IOException {
        RunnableModel original = model(DOCS_LM);
        RunnableModel changed = model(quantized.toString());
        int count = tokens.tokens().length;
        double sum = 0;
        try (WeightSource w = original.open(storage);
                WeightSource q = changed.open(storage)) {
            Decoder before = new Decoder(original.config(), w);
            Decoder now = new Decoder(changed.config(), q);
            float[] y = new float[count * before.width()];
            float[] x = new float[y.length];
            before.embed(tokens.tokens(), 0, count, y);
            now.embed(tokens.tokens(), 0, count, x);
            for (int block = 0; block < before.blocks(); block++) {
                List<float[]> outputs = new ArrayList<>();
                before.block(
                        block, y, tokens.ends(), (b, input, in, n, c) -> outputs(w, b, input, in, n, c, outputs), null);
                List<float[]> others = new ArrayList<>();
                now.block(
                        block, x, tokens.ends(), (b, input, in, n, c) -> outputs(q, b, input, in, n, c, others), null);
                assertEquals(7, others.size());
                for (int i = 0; i < others.size(); i++) {
                    sum += relative(outputs.get(i), others.get(i));
                }
            }
        }
        return sum;
    }

    private static void outputs(
            WeightSource source, int block, LinearInput input, float[] x, int tokens, int columns, List<float[]> into)
            throws IOException {
        for (String name : input.tensors(block)) {
            int rows = Math.toIntExact(source.shape(name).rows());
            float[] weights = new float[rows * columns];
            source.rows(name, 0, rows, weights, 0);
            float[] output = new float[tokens * rows];
            Gemm.multiplyTransposed(tokens, rows, columns, x, 0, columns, weights, 0, columns, false, output, 0, rows);
            into.add(output);
        }
    }

    private static double relative(float[] expected, float[] found) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow((double) found[i] - expected[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return difference / size;
    }
}
