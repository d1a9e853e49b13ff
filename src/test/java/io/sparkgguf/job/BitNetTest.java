package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.quantize;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.fixtures.BitNetCheckpoint;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.fixtures.TensorEntry;
import io.sparkgguf.kernel.Halves;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** BitNet b1.58 checkpoints to GGUF by the job: what was trained ternary is carried over as it is. */
class BitNetTest {
    private static final String DOWN = "model.layers.1.mlp.down_proj.weight";

    @TempDir
    Path folder;

    /** Packed levels come out in their rows, times s as a binary16 rounds it; bfloat16 scales to multiply with are exact. */
    @ParameterizedTest
    @CsvSource({
        "BITNET, autobitlinear, TQ1_0, 64m",
        "BITNET, autobitlinear, TQ2_0, 64k",
        "BITNET, bitlinear, TQ2_0, 64m",
        "BITNET, autobitlinear, F32, 64k",
        "LLAMA, bitlinear, TQ1_0, 128k", // rows of queries and keys interleaved
        "LLAMA, autobitlinear, F16, 64m",
    })
    void packedLevelsBecomeTheSameWeights(Fixture fixture, String linearClass, String type, String unitMemory)
            throws IOException {
        BitNetCheckpoint checkpoint = BitNetCheckpoint.packed(fixture, linearClass);
        Path output = run(checkpoint, type, "--unit-memory", unitMemory);
        boolean exact = linearClass.equals("autobitlinear") || type.equals("F32");
        for (TensorEntry tensor : fixture.tensors()) {
            if (!BitNetCheckpoint.isLinear(tensor)) {
                continue;
            }
            float s = checkpoint.scale(tensor.name());
            float half = type.equals("F32") ? s : Halves.fromF16(Halves.toF16(s));
            assertEquals(exact, half == s, tensor.name());
            byte[] levels = BitNetCheckpoint.levels(fixture.weights(tensor.name()));
            float[] expected = new float[levels.length];
            for (int i = 0; i < levels.length; i++) {
                expected[i] = levels[i] * half;
            }
            String name = ggufName(tensor.name());
            assertWeights(inOrder(fixture, tensor, expected), weights(output, name), name);

            JsonNode proof = tensor(output, name).get("ternary");
            assertEquals(exact, proof.get("exact").asBoolean(), proof.toString());
            assertEquals(s, proof.get("scale").floatValue(), proof.toString());
            assertNull(proof.get("largestScale"));
            assertEquals(0, proof.get("flipped").asLong());
            long zeros = zeros(levels);
            assertEquals(zeros, proof.get("zeros").asLong());
            assertEquals(
                    exact ? 0 : levels.length - zeros, proof.get("differing").asLong());
            assertTrue(
                    exact
                            ? proof.get("scaleUlps") == null
                            : proof.get("scaleUlps").asDouble() <= 0.5);
            assertEquals("U8", tensor(output, name).get("source").asText());
        }
        assertNull(tensor(output, "token_embd.weight").get("ternary"), "an embedding is not ternary");
    }

    /** Weights in training are rounded by the mean of |w|, once: also where the configuration leaves it to the target. */
    @ParameterizedTest
    @CsvSource({"true, TQ2_0", "true, F32", "false, TQ1_0"})
    void weightsInTrainingAreRoundedByTheirMean(boolean online, String type) throws IOException {
        BitNetCheckpoint checkpoint = BitNetCheckpoint.online(Fixture.BITNET);
        if (!online) {
            checkpoint.configure(config -> config.remove("quantization_config"));
        }
        Path output = run(checkpoint, type);
        for (TensorEntry tensor : Fixture.BITNET.tensors()) {
            if (BitNetCheckpoint.isLinear(tensor)) {
                float[] master = Fixture.BITNET.weights(tensor.name());
                byte[] levels = BitNetCheckpoint.levels(master);
                float[] found = weights(output, ggufName(tensor.name()));
                float s = largest(found);
                assertEquals(BitNetCheckpoint.mean(master), s, type.equals("F32") ? 1e-8 : 1e-4 * s * 5);
                for (int i = 0; i < levels.length; i++) {
                    assertEquals(levels[i] * s, found[i], tensor.name() + " at " + i);
                }
                JsonNode proof = tensor(output, ggufName(tensor.name())).get("ternary");
                assertEquals(0, proof.get("flipped").asLong());
                assertTrue(
                        proof.get("exact").asBoolean() || proof.get("scaleUlps").asDouble() <= 0.5, proof.toString());
            }
        }
    }

    @Test
    void weightsOfAModelThatRunsWithThemAsTheyAreStayForOtherTypes() throws IOException {
        BitNetCheckpoint checkpoint =
                BitNetCheckpoint.online(Fixture.BITNET).configure(config -> config.remove("quantization_config"));
        Path output = run(checkpoint, "F32");
        assertArrayEquals(Fixture.BITNET.weights(DOWN), weights(output, ggufName(DOWN)));
        assertNull(tensor(output, ggufName(DOWN)).get("ternary"));
    }

    /** Rounding -s, 0 and s by their mean again would multiply s by the share of weights that are not zero. */
    @ParameterizedTest
    @CsvSource({"TQ1_0, 0.5", "TQ2_0, 0.5", "TQ2_0, 0.2", "TQ2_0, 0", "TQ1_0, 1"})
    void ternaryWeightsAreNotRoundedAgain(String type, double zeroShare) throws IOException {
        float s = 0.6875f;
        float[] ternary = new float[256 * 512];
        for (int i = 0; i < ternary.length; i++) {
            ternary[i] = i % 100 < 100 * zeroShare ? 0f : i % 3 == 0 ? s : -s;
        }
        BitNetCheckpoint checkpoint =
                BitNetCheckpoint.online(Fixture.BITNET).replace(DOWN, DType.BF16, Shape.of(256, 512), ternary);
        Path output = run(checkpoint, type);
        assertArrayEquals(ternary, weights(output, ggufName(DOWN)));
        JsonNode proof = tensor(output, ggufName(DOWN)).get("ternary");
        if (zeroShare == 1) {
            assertNull(proof, "without a weight that is not zero there is no scale");
        } else {
            assertTrue(proof.get("exact").asBoolean());
            assertEquals(s, proof.get("scale").floatValue());
        }
    }

    /** A GGUF of ternary weights in F16, whatever its architecture, is carried over with each block's own scale. */
    @ParameterizedTest
    @CsvSource({"TQ1_0", "TQ2_0"})
    void ternaryWeightsOfAGgufAreCarriedOver(String type) throws IOException {
        Path f16 = run(BitNetCheckpoint.packed(Fixture.QWEN2, "bitlinear"), "F16");
        Path output = quantize(folder.resolve("again.gguf"), f16.toString(), type);
        for (TensorEntry tensor : Fixture.QWEN2.tensors()) {
            if (BitNetCheckpoint.isLinear(tensor)) {
                String name = ggufName(tensor.name());
                assertArrayEquals(weights(f16, name), weights(output, name), name);
                assertTrue(tensor(output, name).at("/ternary/exact").asBoolean(), name);
            }
        }
    }

    @Test
    void scalesThatABlockHasNoRoomForAreRefusedAndOneForEachBlockIsReported() throws IOException {
        float[] byBlock = new float[256 * 512];
        float[] within = new float[256 * 512];
        for (int i = 0; i < byBlock.length; i++) {
            byBlock[i] = (i % 3 - 1) * (i / 256 % 2 == 0 ? 0.5f : 0.25f);
            within[i] = (i % 3 - 1) * (i / 128 % 2 == 0 ? 0.5f : 0.25f);
        }
        BitNetCheckpoint checkpoint = BitNetCheckpoint.online(Fixture.LLAMA)
                .configure(config -> config.remove("quantization_config"))
                .replace(DOWN, DType.BF16, Shape.of(256, 512), byBlock);
        Path output = run(checkpoint, "TQ2_0");
        assertArrayEquals(byBlock, weights(output, ggufName(DOWN)));
        JsonNode proof = tensor(output, ggufName(DOWN)).get("ternary");
        assertTrue(proof.get("exact").asBoolean());
        assertEquals(0.25f, proof.get("scale").floatValue());
        assertEquals(0.5f, proof.get("largestScale").floatValue());

        checkpoint.replace(DOWN, DType.BF16, Shape.of(256, 512), within);
        assertEquals(
                "Cannot quantize tensor blk.1.ffn_down.weight to TQ2_0: its weights are ternary of mixed scales, from 0.25"
                        + " to 0.5, which change within 512 of the blocks of rows 0 to 255; a block of 256 has room for one",
                refusal(checkpoint));
        assertNotNull(run(checkpoint, "Q8_0"), "other types round them");
    }

    /** Calibration has nothing to gain where rounding costs nothing: its solver would refit the scales. */
    @Test
    void calibrationLeavesTernaryWeightsAsTheyAre() throws IOException {
        Path plain = run(BitNetCheckpoint.packed(Fixture.BITNET, "bitlinear"), "TQ2_0");
        Path calibrated = quantize(
                folder.resolve("calibrated.gguf"),
                folder.resolve("model").toString(),
                "TQ2_0",
                "--calibration",
                Cli.DOCS_LM + "/samples-calibration.txt",
                "--calibration-tokens",
                "512",
                "--sequence-length",
                "64");
        assertNotNull(tensor(calibrated, ggufName(DOWN)).get("calibration"));
        for (TensorEntry tensor : Fixture.BITNET.tensors()) {
            if (BitNetCheckpoint.isLinear(tensor)) {
                String name = ggufName(tensor.name());
                assertEquals(
                        tensor(plain, name).get("xxh64"),
                        tensor(calibrated, name).get("xxh64"),
                        name);
            }
        }
    }

    /** Nor has training: of a model of which one layer is ternary, the others are trained. */
    @Test
    void trainingLeavesTernaryWeightsAsTheyAre() throws IOException {
        String up = "model.layers.0.mlp.up_proj.weight";
        float[] ternary = new float[512 * 256];
        for (int i = 0; i < ternary.length; i++) {
            ternary[i] = 0.03125f * (i % 7 % 3 - 1);
        }
        String model = BitNetCheckpoint.online(Fixture.LLAMA)
                .configure(config -> config.remove("quantization_config"))
                .replace(up, DType.BF16, Shape.of(512, 256), ternary)
                .write(folder.resolve("to-train"))
                .toString();
        ByteBuffer ids = ByteBuffer.allocate(1024 * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        new Random(20261124).ints(1024, 3, 9).forEach(ids::putInt);
        String tokens = Files.write(folder.resolve("tokens.bin"), ids.array()).toString();
        Path trained = quantize(
                folder.resolve("trained.gguf"),
                model,
                "TQ2_0",
                "--method",
                "qat",
                "--calibration",
                tokens,
                "--sequence-length",
                "64",
                "--qat-steps",
                "4",
                "--qat-model-steps",
                "2",
                "--qat-learning-rate",
                "0.01");
        assertArrayEquals(ternary, weights(trained, ggufName(up)));
        JsonNode report = new ObjectMapper()
                .readTree(Path.of(trained + ".report.json").toFile())
                .get("calibration");
        assertEquals(6, report.at("/training/0/layers").size());
        assertFalse(report.at("/training/0/layers").toString().contains("ffn_up"), report.toString());
        assertEquals(7, report.at("/training/1/layers").size());
        assertEquals(13, report.at("/together/layers").intValue());
    }

    static Stream<Arguments> hostile() {
        String q = "model.layers.0.self_attn.q_proj.weight";
        return Stream.of(
                hostile(
                        "a scale of zero",
                        checkpoint -> checkpoint.replace(q + "_scale", DType.F32, Shape.of(1), 0f),
                        "Cannot use tensor '" + q + "': its scale '" + q
                                + "_scale' at byte \\d+ of .*model.safetensors is 0.0,"
                                + " not a positive number whose inverse is finite"),
                hostile(
                        "NaN",
                        checkpoint -> checkpoint.replace(q + "_scale", DType.F32, Shape.of(1), Float.NaN),
                        "Cannot use tensor .* at byte \\d+ of .*model.safetensors is NaN, not a positive number.*"),
                hostile(
                        "a negative scale",
                        checkpoint -> checkpoint.replace(q + "_scale", DType.BF16, Shape.of(1), -2f),
                        "Cannot use tensor .* at byte \\d+ of .*model.safetensors is -2.0, not a positive number.*"),
                hostile(
                        "a scale whose inverse is infinite",
                        checkpoint -> checkpoint.replace(q + "_scale", DType.F32, Shape.of(1), 1e-45f),
                        "Cannot use tensor .* is 1.4E-45, not a positive number whose inverse is finite"),
                hostile(
                        "scales for each row",
                        checkpoint -> checkpoint.replace(q + "_scale", DType.F32, Shape.of(256), new float[256]),
                        "Cannot convert tensor '" + q + "' of .*: its scale '" + q
                                + "_scale' has the shape \\[256\\], but one scale for the whole tensor is known"),
                hostile(
                        "a scale of integers",
                        checkpoint -> checkpoint.replace(q + "_scale", DType.U8, Shape.of(1)),
                        "Cannot convert tensor .*_scale' is stored as U8, not as F64, F32, F16 or BF16"),
                hostile(
                        "no scale",
                        checkpoint -> checkpoint.remove(q + "_scale"),
                        "Cannot convert tensor '" + q + "' of .*model.safetensors: its scale '" + q
                                + "_scale' is missing"),
                hostile(
                        "rows that are not a quarter",
                        checkpoint -> checkpoint.replace(q, DType.U8, Shape.of(63, 256)),
                        "Cannot use .*config.json: by its sizes tensor '" + q
                                + "' is .* with four rows to a byte, but in"
                                + " .*model.safetensors it is \\[63, 256\\]"),
                hostile(
                        "weights that are not packed",
                        checkpoint -> checkpoint.replace(q, DType.F32, Shape.of(256, 256), new float[256 * 256]),
                        "Cannot convert tensor '" + q
                                + "' of .*: it is stored as F32, but quantization_config says that"
                                + " its levels are packed as U8"),
                hostile(
                        "a level that is none",
                        checkpoint -> checkpoint.change(q, bytes -> bytes[1234] |= 3 << 4),
                        "Cannot use tensor '" + q
                                + "': byte \\d+ of .*model.safetensors holds the level 3 for field 2, but"
                                + " levels go from 0 to 2"));
    }

    private static Arguments hostile(String what, Consumer<BitNetCheckpoint> damage, String refusal) {
        return Arguments.of(what, damage, refusal);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("hostile")
    void damagedCheckpointsAreRefusedInOneLine(String what, Consumer<BitNetCheckpoint> damage, String refusal)
            throws IOException {
        BitNetCheckpoint checkpoint = BitNetCheckpoint.packed(Fixture.BITNET, "bitlinear");
        damage.accept(checkpoint);
        String found = refusal(checkpoint);
        assertTrue(found.matches(refusal), found);
    }

    @Test
    void theByteOfALevelThatIsNoneIsNamed() throws IOException {
        BitNetCheckpoint checkpoint = BitNetCheckpoint.packed(Fixture.LLAMA, "autobitlinear");
        long[] at = {0};
        boolean[] found = {false};
        String victim = "model.layers.1.self_attn.k_proj.weight"; // whose rows are interleaved
        checkpoint.forEach((tensor, bytes) -> {
            found[0] |= tensor.name().equals(victim);
            at[0] += found[0] ? 0 : bytes.length;
        });
        checkpoint.change(victim, bytes -> bytes[777] = (byte) 0b11_01_01_01);
        Path model = checkpoint.write(folder.resolve("m"));
        byte[] file = java.nio.file.Files.readAllBytes(model.resolve("model.safetensors"));
        long header = 8
                + java.nio.ByteBuffer.wrap(file)
                        .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                        .getLong(0);
        String reason = Cli.run(
                        "quantize",
                        "--model",
                        model.toString(),
                        "--output",
                        folder.resolve("o").toString(),
                        "--type",
                        "TQ2_0")
                .reason();
        assertTrue(reason.contains("byte " + (header + at[0] + 777) + " of "), reason);
        assertTrue(reason.contains("field 3"), reason);
    }

    @Test
    void rowsThatBlocksDoNotDivideAreReplacedAsLlamaCppDoesOrRefused() throws IOException {
        BitNetCheckpoint checkpoint = BitNetCheckpoint.packed(Fixture.BITNET, "autobitlinear")
                .configure(config -> config.put("intermediate_size", 320));
        for (int layer = 0; layer < 2; layer++) {
            String mlp = "model.layers." + layer + ".mlp.";
            checkpoint
                    .replace(mlp + "gate_proj.weight", DType.U8, Shape.of(80, 256))
                    .replace(mlp + "up_proj.weight", DType.U8, Shape.of(80, 256))
                    .replace(mlp + "down_proj.weight", DType.U8, Shape.of(64, 320))
                    .replace(mlp + "ffn_sub_norm.weight", DType.F32, Shape.of(320), new float[320]);
        }
        Path output = run(checkpoint, "TQ2_0");
        assertEquals("Q4_0", tensor(output, "blk.0.ffn_down.weight").get("type").asText());
        assertEquals("TQ2_0", tensor(output, "blk.0.ffn_up.weight").get("type").asText());
        assertEquals(
                "Cannot quantize blk.0.ffn_down.weight to TQ2_0: its rows have 320 columns, not a multiple of the block of"
                        + " 256, and --no-fallback forbids Q4_0 instead",
                refusal(checkpoint, "--no-fallback"));
    }

    @Test
    void gatesThatLlamaCppHasNotAreWarnedOf() throws IOException {
        Path output = run(BitNetCheckpoint.packed(Fixture.BITNET, "bitlinear"), "TQ2_0");
        String warning = "bitnet.hidden_activation is relu2, but llama.cpp runs every bitnet with silu";
        assertTrue(report(output).get("warnings").toString().contains(warning));
        Path silu = run(
                BitNetCheckpoint.packed(Fixture.BITNET, "bitlinear")
                        .configure(config -> config.put("hidden_act", "silu")),
                "TQ2_0");
        assertFalse(report(silu).get("warnings").toString().contains("hidden_activation"));
    }

    private Path run(BitNetCheckpoint checkpoint, String type, String... more) throws IOException {
        Path model = checkpoint.write(folder.resolve("model"));
        return quantize(folder.resolve(type + ".gguf"), model.toString(), type, more);
    }

    private String refusal(BitNetCheckpoint checkpoint, String... more) throws IOException {
        Path model = checkpoint.write(folder.resolve("model"));
        String[] command = {
            "quantize", "--model", model.toString(), "--output", folder + "/none.gguf", "--type", "TQ2_0"
        };
        String[] all = Arrays.copyOf(command, command.length + more.length);
        System.arraycopy(more, 0, all, command.length, more.length);
        Cli.Outcome outcome = Cli.run(all);
        assertEquals(3, outcome.code(), outcome.out());
        return outcome.reason();
    }

    static String ggufName(String name) {
        String[] parts = name.split("\\.");
        return "blk." + parts[2] + "."
                + switch (parts[4]) {
                    case "q_proj" -> "attn_q";
                    case "k_proj" -> "attn_k";
                    case "v_proj" -> "attn_v";
                    case "o_proj" -> "attn_output";
                    default -> "ffn_" + parts[4].replace("_proj", "");
                }
                + ".weight";
    }

    private static float[] inOrder(Fixture fixture, TensorEntry tensor, float[] weights) {
        if (fixture != Fixture.LLAMA || !tensor.name().matches(".*[qk]_proj.*")) {
            return weights;
        }
        RowOrder order = RowOrder.interleaveHalves(32);
        int columns = (int) tensor.shape().columns();
        float[] ordered = new float[weights.length];
        for (int row = 0; row < weights.length / columns; row++) {
            System.arraycopy(weights, (int) order.sourceRow(row) * columns, ordered, row * columns, columns);
        }
        return ordered;
    }

    private static void assertWeights(float[] expected, float[] found, String name) {
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i] + 0f, found[i] + 0f, name + " at " + i);
        }
        assertEquals(expected.length, found.length);
    }

    /** A tensor of a GGUF file, decoded. */
    private static float[] weights(Path file, String name) throws IOException {
        LocalStorage storage = new LocalStorage();
        try (WeightSource source = ModelWeights.of(
                        Checkpoint.open(storage, file.toString(), null).model())
                .open(storage)) {
            Shape shape = source.shape(name);
            float[] weights = new float[(int) shape.elements()];
            source.rows(name, 0, (int) shape.rows(), weights, 0);
            return weights;
        }
    }

    private static float largest(float[] weights) {
        float largest = 0;
        for (float weight : weights) {
            largest = Math.max(largest, weight);
        }
        return largest;
    }

    private static long zeros(byte[] levels) {
        long zeros = 0;
        for (byte level : levels) {
            zeros += level == 0 ? 1 : 0;
        }
        return zeros;
    }

    private static JsonNode report(Path output) throws IOException {
        return new ObjectMapper().readTree(Path.of(output + ".report.json").toFile());
    }

    private static JsonNode tensor(Path output, String name) throws IOException {
        for (JsonNode tensor : report(output).get("tensors")) {
            if (tensor.get("name").asText().equals(name)) {
                return tensor;
            }
        }
        throw new AssertionError(name + " is not in the report");
    }
}
