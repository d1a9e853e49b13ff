package io.sparkgguf.cli;

import static io.sparkgguf.cli.CheckpointDamage.byteOf;
import static io.sparkgguf.cli.CheckpointDamage.bytes;
import static io.sparkgguf.cli.CheckpointDamage.poke;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NaN and infinite weights are found by tasks on executors: the driver tells tensor, row, column and byte. */
class NonFiniteWeightTest {
    private static final int NAN = 0x7fc0;
    private static final int MINUS_INFINITY = 0xff80;

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

    /** Rows of query and key are regrouped on their way; the row told is that of the source. */
    @ParameterizedTest
    @CsvSource({
        "model.layers.1.mlp.up_proj.weight, blk.1.ffn_up.weight, 511, 255, 0x7fc0, NaN, Q4_K_M",
        "model.layers.0.self_attn.q_proj.weight, blk.0.attn_q.weight, 37, 3, 0x7f80, Infinity, Q8_0",
        "model.layers.0.self_attn.k_proj.weight, blk.0.attn_k.weight, 0, 0, 0xff80, -Infinity, BF16",
        "model.norm.weight, output_norm.weight, 0, 17, 0xffc1, NaN, Q4_0",
    })
    void refusesAWeight(String tensor, String name, int row, int column, String bits, String value, String type)
            throws IOException {
        long at = byteOf(weights, tensor, row, column);
        poke(weights, at, bytes(Integer.decode(bits), 2));
        output.refuses(
                "Cannot quantize tensor %s: the weight at row %d, column %d (byte %d of %s) is %s;"
                                .formatted(name, row, column, at, weights, value)
                        + " --allow-nonfinite takes such weights as zero",
                model,
                "--type",
                type);
    }

    @Test
    void surveysRefuseIt() throws IOException {
        poke(weights, byteOf(weights, "model.layers.1.mlp.up_proj.weight", 511, 255), bytes(NAN, 2));
        Path survey = folder.resolve("survey");
        Outcome outcome = Cli.run(
                "survey", "-q", "-m", model.toString(), "-o", survey.toString(), "--exact", "--schemes", "int8,Q4_0");
        assertEquals(
                "Cannot survey tensor blk.1.ffn_up.weight: the weight at row 511, column 255 is NaN", outcome.reason());
        assertEquals(Main.REFUSED, outcome.code());
        assertTrue(Cli.names(folder).stream().noneMatch(name -> name.startsWith("survey")));
    }

    @Test
    void goesOnWhenAllowed() throws IOException {
        poke(weights, byteOf(weights, "model.layers.0.mlp.down_proj.weight", 2, 500), bytes(NAN, 2));
        poke(weights, byteOf(weights, "model.layers.0.mlp.down_proj.weight", 255, 511), bytes(MINUS_INFINITY, 2));
        poke(weights, byteOf(weights, "model.norm.weight", 0, 0), bytes(NAN, 2));

        Outcome outcome = output.accepts(model, "--allow-nonfinite");
        String line = "blk.0.ffn_down.weight: 2 weight(s) were NaN or infinite and were taken as zero";
        assertTrue(outcome.err().lines().anyMatch(("warning: " + line)::equals), outcome.err());

        JsonNode report = new ObjectMapper()
                .readTree(Path.of(output.output() + ".report.json").toFile());
        assertEquals(
                line,
                report.get("warnings").get(1).asText(),
                report.get("warnings").toString());
        for (JsonNode tensor : report.get("tensors")) {
            long expected = switch (tensor.get("name").asText()) {
                case "blk.0.ffn_down.weight" -> 2;
                case "output_norm.weight" -> 1;
                default -> 0;
            };
            assertEquals(
                    expected,
                    tensor.get("nonFinite").asLong(),
                    tensor.get("name").asText());
        }
    }

    /** The file of a run that was allowed to go on is the one of a checkpoint with zeros there. */
    @Test
    void takesThemAsZero() throws IOException {
        long at = byteOf(weights, "model.layers.0.self_attn.q_proj.weight", 9, 9);
        poke(weights, at, bytes(0, 2));
        output.accepts(model);
        String withZero = Cli.sha256(output.output());
        poke(weights, at, bytes(NAN, 2));
        output.quantize(model, "--allow-nonfinite");
        assertEquals(withZero, Cli.sha256(output.output()));
    }
}
