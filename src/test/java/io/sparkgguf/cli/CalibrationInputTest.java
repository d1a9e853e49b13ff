package io.sparkgguf.cli;

import static io.sparkgguf.cli.CheckpointDamage.byteOf;
import static io.sparkgguf.cli.CheckpointDamage.bytes;
import static io.sparkgguf.cli.CheckpointDamage.poke;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.report.CalibratedTensor;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Calibration on what is no good: refused in one line, or a fallback that the report tells; never a NaN in the file. */
class CalibrationInputTest {
    private static final long SEED = 5;
    private static final int VOCABULARY = 512;

    @TempDir
    private Path folder;

    private Path model;
    private Path weights;
    private Path text;
    private OutputFolder output;

    @BeforeEach
    void write() throws IOException {
        model = Fixture.LLAMA.write(folder.resolve("model"));
        weights = model.resolve("model.safetensors");
        text = folder.resolve("tokens.bin");
        output = new OutputFolder(folder.resolve("out"));
        Random random = new Random(SEED);
        tokens(random.ints(256, 0, VOCABULARY).toArray());
    }

    private void tokens(int... ids) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(4 * ids.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int id : ids) {
            bytes.putInt(id);
        }
        Files.write(text, bytes.array());
    }

    private String[] calibrated(String... more) {
        String[] all = {"--type", "Q4_K_M", "--calibration", text.toString(), "--sequence-length", "32"};
        String[] line = java.util.Arrays.copyOf(all, all.length + more.length);
        System.arraycopy(more, 0, line, all.length, more.length);
        return line;
    }

    private Map<String, CalibratedTensor> outcomes() throws IOException {
        Path file = Path.of(output.output() + ".report.json");
        Report report = ReportFile.parse(Files.readAllBytes(file), file.toString());
        return report.tensors().stream()
                .filter(tensor -> tensor.calibration() != null)
                .collect(Collectors.toMap(Report.Tensor::name, Report.Tensor::calibration));
    }

    /** The norm before the second block's attention makes everything infinite. */
    private void overflowInTheSecondBlock() throws IOException {
        for (int i = 0; i < 256; i++) {
            poke(weights, byteOf(weights, "model.layers.1.input_layernorm.weight", 0, i), bytes(0x7f7f, 2));
        }
    }

    @Test
    void stopsAtAnInfiniteActivation() throws IOException {
        overflowInTheSecondBlock();
        Outcome outcome = output.quantize(model, calibrated());
        String reason = outcome.reason();
        assertTrue(
                reason.matches(
                        "Cannot run block 1 of .*: the input of (blk\\.1\\.)?attn_q.* is -?Infinity at token \\d+ of"
                                + " the batch, column \\d+ \\(shard \\d+ of the calibration tokens\\); --non-finite-activations"
                                + " fallback rounds this block and the following ones plainly"),
                outcome.err());
        assertEquals(Main.REFUSED, outcome.code());
    }

    @Test
    void fallsBackAtAnInfiniteActivationWhenAllowed() throws IOException {
        overflowInTheSecondBlock();
        Outcome outcome = output.accepts(model, calibrated("--non-finite-activations", "fallback"));
        assertTrue(
                outcome.err().contains("warning: calibration ended early, what follows is rounded plainly: Cannot run"),
                outcome.err());
        Map<String, CalibratedTensor> outcomes = outcomes();
        assertEquals(null, outcomes.get("blk.0.ffn_gate.weight").fallback());
        CalibratedTensor second = outcomes.get("blk.1.attn_q.weight");
        assertEquals("rtn", second.method());
        assertTrue(second.fallback().contains("Infinity"), second.fallback());
        assertEquals(0, second.tokens());
    }

    /** An embedding of zeros: every input of the first block is zero, and its output too. */
    @Test
    void roundsPlainlyWhenTheHessianIsAllZeros() throws IOException {
        byte[] zeros = new byte[VOCABULARY * 256 * 2];
        poke(weights, byteOf(weights, "model.embed_tokens.weight", 0, 0), zeros);
        output.accepts(model, calibrated());
        Map<String, CalibratedTensor> outcomes = outcomes();
        CalibratedTensor query = outcomes.get("blk.0.attn_q.weight");
        assertEquals("rtn", query.method());
        assertEquals(256, query.deadColumns());
        assertTrue(query.fallback().contains("is all zeros"), query.fallback());
        outcomes.values().forEach(outcome -> assertEquals("rtn", outcome.method()));
    }

    /** The same token over and over: inputs of rank one. */
    @Test
    void takesConstantText() throws IOException {
        tokens(new int[64]);
        output.accepts(model, calibrated());
        outcomes().values().stream()
                .filter(outcome -> outcome.heldOut() != null)
                .forEach(outcome -> assertTrue(
                        outcome.method().equals("imatrix")
                                || outcome.heldOutTowardsOriginal().gptq()
                                        < outcome.heldOutTowardsOriginal().imatrix(),
                        outcome.toString()));
    }

    @Test
    void takesNonFiniteWeightsAsZeroInTheForwardPassToo() throws IOException {
        poke(weights, byteOf(weights, "model.layers.0.mlp.down_proj.weight", 2, 500), bytes(0x7fc0, 2));
        output.accepts(model, calibrated("--allow-nonfinite"));
        CalibratedTensor behind = outcomes().get("blk.1.ffn_gate.weight");
        assertNotEquals("rtn", behind.method());
        assertTrue(Double.isFinite(behind.heldOutTowardsOriginal().gptq()), behind.toString());
    }

    @Test
    void refusesTextShorterThanASequence() throws IOException {
        tokens(1, 2, 3);
        output.refusesFrom("Cannot calibrate ", model, calibrated());
    }

    @Test
    void refusesTextOfOneSequenceWithNothingToHoldOut() throws IOException {
        tokens(new int[40]);
        output.refuses(
                "Cannot hold out a share of 1 sequence of 32 tokens: give more text, a lower --sequence-length, or"
                        + " --hold-out 0 for no guard",
                model,
                calibrated());
    }

    @Test
    void refusesIdsBeyondTheVocabulary() throws IOException {
        int[] ids = new int[64];
        ids[40] = VOCABULARY;
        tokens(ids);
        output.refusesFrom("Cannot calibrate with " + text + ": ", model, calibrated());
    }

    @Test
    void refusesToWriteOverTheText() throws IOException {
        Path named = output.output().resolveSibling("tokens.bin");
        Outcome outcome = Cli.run(
                "quantize",
                "--model",
                model.toString(),
                "--output",
                text.toString(),
                "--type",
                "Q4_K_M",
                "--calibration",
                text.toString(),
                "--sequence-length",
                "32");
        assertEquals("Cannot write " + text + ": the calibration text is read from it", outcome.reason());
        assertTrue(Files.notExists(named));
        assertEquals(4 * 256, Files.size(text));
    }
}
