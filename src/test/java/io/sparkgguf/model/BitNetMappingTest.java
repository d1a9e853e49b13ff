package io.sparkgguf.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.model.TernarySource.Meaning;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What GGUF is told of BitNet checkpoints. */
class BitNetMappingTest {
    private static String config(String... replacements) throws IOException {
        String json = Files.readString(Path.of("src/test/resources/fixtures/bitnet/config.json"));
        for (int i = 0; i < replacements.length; i += 2) {
            assertTrue(json.contains(replacements[i]), replacements[i]);
            json = json.replace(replacements[i], replacements[i + 1]);
        }
        return json;
    }

    private static String quantized(String section) throws IOException {
        return config("\"vocab_size\": 512", "\"vocab_size\": 512, \"quantization_config\": {" + section + "}");
    }

    private static Model map(String json, String... renamed) {
        List<TensorLocation> stored = Fixture.BITNET.tensors().stream()
                .map(tensor -> {
                    String name = tensor.name();
                    for (int i = 0; i < renamed.length; i += 2) {
                        name = name.replace(renamed[i], renamed[i + 1]);
                    }
                    return new TensorLocation(name, tensor.dtype(), tensor.shape(), "m.safetensors", 0, tensor.bytes());
                })
                .toList();
        HfConfig config = HfConfig.parse("config.json", json.getBytes(StandardCharsets.UTF_8));
        return CheckpointMapping.map(config, Optional.empty(), "bitnet", stored);
    }

    private static Meaning meaning(Model model, String tensor) {
        ModelTensor found = model.tensors().stream()
                .filter(one -> one.name().equals(tensor))
                .findFirst()
                .orElseThrow();
        TernarySource ternary = ((ModelTensor.Stored) found.source()).ternary();
        return ternary == null ? null : ternary.meaning();
    }

    @Test
    void writesTheKeysThatLlamaCppNeedsAndTheGates() throws IOException {
        Metadata metadata = map(config()).metadata();
        assertEquals("bitnet", metadata.string("general.architecture").orElseThrow());
        assertEquals(2L, metadata.integer("bitnet.block_count").orElseThrow());
        assertEquals("linear", metadata.string("bitnet.rope.scaling.type").orElseThrow());
        assertEquals(
                1.0,
                ((MetadataValue.Real) metadata.get("bitnet.rope.scaling.factor").orElseThrow()).value());
        assertEquals("relu2", metadata.string("bitnet.hidden_activation").orElseThrow());
        assertFalse(metadata.contains("bitnet.activation_bits"), "the fixture's layers do not round what they read");
    }

    @Test
    void bothNamesOfTheNormsWithinABlockAreKnown() throws IOException {
        Model transformers = map(config());
        Model reproduction = map(
                config(
                        "BitNetForCausalLM",
                        "BitnetForCausalLM",
                        "\"vocab_size\"",
                        "\"weight_bits\": 1, \"vocab_size\""),
                "attn_sub_norm",
                "inner_attn_ln",
                "ffn_sub_norm",
                "ffn_layernorm");
        assertEquals(names(transformers), names(reproduction));
        assertTrue(names(reproduction).contains("blk.1.ffn_sub_norm.weight"));
        assertEquals(Meaning.MASTER, meaning(reproduction, "blk.0.attn_q.weight"), "weight_bits says it");
        assertEquals(
                8L, reproduction.metadata().integer("bitnet.activation_bits").orElseThrow());
    }

    private static List<String> names(Model model) {
        return model.tensors().stream().map(ModelTensor::name).sorted().toList();
    }

    @Test
    void weightsInTrainingAreRoundedAlwaysOrOnlyForTernaryTypes() throws IOException {
        Model plain = map(config());
        assertEquals(Meaning.MASTER_FOR_TERNARY_TYPES, meaning(plain, "blk.1.ffn_down.weight"));
        assertEquals(null, meaning(plain, "token_embd.weight"));
        assertEquals(null, meaning(plain, "blk.1.ffn_sub_norm.weight"));
        Model online = map(
                quantized(
                        "\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"online\""));
        assertEquals(Meaning.MASTER, meaning(online, "blk.1.ffn_down.weight"));
        assertEquals(8L, online.metadata().integer("bitnet.activation_bits").orElseThrow());
        TensorLocation any =
                ((ModelTensor.Stored) online.tensors().get(0).source()).parts().get(0);
        for (BlockType type : BlockType.values()) {
            assertTrue(new TernarySource(Meaning.MASTER, any, null).appliesTo(type));
            assertEquals(
                    type.label().startsWith("TQ"),
                    new TernarySource(Meaning.MASTER_FOR_TERNARY_TYPES, any, null).appliesTo(type));
        }
    }

    static Stream<Arguments> refusals() {
        String bitnet = "\"quant_method\": \"bitnet\", ";
        return Stream.of(
                Arguments.of(
                        "\"quant_method\": \"awq\"",
                        "its quantization_config (quant_method awq) says that the weights are quantized already; bitnet is"
                                + " converted from float weights or BitNet's"),
                Arguments.of(
                        bitnet + "\"linear_class\": \"linear\"",
                        "quantization_config.linear_class is linear, known are bitlinear and autobitlinear"),
                Arguments.of(
                        bitnet + "\"quantization_mode\": \"never\"",
                        "quantization_config.quantization_mode is never, known are offline and online"),
                Arguments.of(
                        bitnet + "\"quantization_mode\": \"online\"",
                        "quantization_config.quantization_mode is online, which needs the linear_class autobitlinear, not"
                                + " bitlinear"),
                Arguments.of(
                        bitnet + "\"use_rms_norm\": true",
                        "quantization_config.use_rms_norm is true, but bitnet has no norms within linear layers"),
                Arguments.of(
                        bitnet + "\"modules_to_not_convert\": [\"lm_head\", \"o_proj\"]",
                        "quantization_config.modules_to_not_convert names o_proj and so"
                                + " model.layers.0.self_attn.o_proj, but BitNet's linear layers are known only all together"),
                Arguments.of(
                        bitnet + "\"modules_to_not_convert\": \"lm_head\"",
                        "quantization_config.modules_to_not_convert is \"lm_head\", not a list of texts"));
    }

    @ParameterizedTest
    @MethodSource("refusals")
    void otherQuantizationsAreRefused(String section, String reason) throws IOException {
        String json = quantized(section);
        InvalidInputException refused = assertThrows(InvalidInputException.class, () -> map(json));
        assertEquals("Cannot use config.json: " + reason, refused.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"hidden_act\": \"relu2\" | \"hidden_act\": \"gelu\" | hidden_act is gelu, but bitnet is known with relu2 and silu",
                "\"tie_word_embeddings\": true | \"tie_word_embeddings\": false | tie_word_embeddings is not true, but bitnet has no head besides the token embedding",
                "\"attention_bias\": false | \"attention_bias\": true | attention_bias is true, but bitnet has no biases",
                "\"hidden_size\": 256 | \"hidden_size\": 256, \"head_dim\": 64 | the heads make [num_attention_heads 8 * head_dim 64 = 512, hidden_size 256], but bitnet needs both equal",
            })
    void configurationsThatLlamaCppCannotExpressAreRefused(String from, String to, String reason) throws IOException {
        String json = config(from, to);
        InvalidInputException refused = assertThrows(InvalidInputException.class, () -> map(json));
        assertEquals("Cannot use config.json: " + reason, refused.getMessage());
    }
}
