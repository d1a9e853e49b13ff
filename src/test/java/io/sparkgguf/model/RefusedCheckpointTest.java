package io.sparkgguf.model;

import static io.sparkgguf.model.Checkpoints.config;
import static io.sparkgguf.model.Checkpoints.configBytes;
import static io.sparkgguf.model.Checkpoints.map;
import static io.sparkgguf.model.Checkpoints.tensors;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class RefusedCheckpointTest {

    private static String refusal(HfConfig config, List<TensorLocation> tensors) {
        return assertThrows(InvalidInputException.class, () -> map(config, tensors))
                .getMessage();
    }

    private static Arguments change(String fixture, Consumer<ObjectNode> change, String message) {
        return arguments(fixture, change, message);
    }

    private static Arguments put(String fixture, String key, long value, String message) {
        return change(fixture, node -> node.put(key, value), message);
    }

    static Stream<Arguments> contradictions() {
        return Stream.of(
                change(
                        "llama",
                        node -> node.putArray("architectures").add("GPT2LMHeadModel"),
                        "the architecture GPT2LMHeadModel is not known; known are LlamaForCausalLM, MistralForCausalLM,"
                                + " Qwen2ForCausalLM, Qwen3ForCausalLM"),
                change("llama", node -> node.putArray("architectures"), "architectures is missing or empty; known are"),
                change("llama", node -> node.put("architectures", "x"), "architectures is \"x\", not a list of texts"),
                put(
                        "llama",
                        "num_attention_heads",
                        4,
                        "by its sizes tensor 'model.layers.0.self_attn.o_proj.weight' is [hidden_size 256,"
                                + " num_attention_heads 4 * head_dim 32 = 128], but in model.safetensors it is [256, 256]"),
                put("llama", "head_dim", 64, "[num_key_value_heads 2 * head_dim 64 = 128, hidden_size 256]"),
                put("llama", "head_dim", 31, "head_dim is 31, but rotary position needs it even"),
                put(
                        "llama",
                        "num_attention_heads",
                        7,
                        "num_attention_heads is 7, not a multiple of" + " num_key_value_heads, 2"),
                change(
                        "llama",
                        node -> {
                            node.remove("head_dim");
                            node.put("num_attention_heads", 7);
                        },
                        "hidden_size is 256, not a multiple of num_attention_heads, 7"),
                put(
                        "llama",
                        "vocab_size",
                        500,
                        "tensor 'model.embed_tokens.weight' is [vocab_size 500, hidden_size 256],"
                                + " but in model.safetensors it is [512, 256]"),
                put("llama", "hidden_size", 0, "hidden_size is 0, not from 1 to 2147483647"),
                put("llama", "hidden_size", -256, "hidden_size is -256, not from 1 to 2147483647"),
                put("llama", "hidden_size", 1L << 40, "hidden_size is 1099511627776, not from 1 to 2147483647"),
                put("llama", "num_hidden_layers", 513, "num_hidden_layers is 513, not from 1 to 512"),
                change("llama", node -> node.put("hidden_size", "256"), "hidden_size is \"256\", not a whole number"),
                change("llama", node -> node.put("hidden_size", 256.5), "hidden_size is 256.5, not a whole number"),
                change("llama", node -> node.put("hidden_act", "gelu"), "hidden_act is gelu, but llama runs with silu"),
                change("llama", node -> node.put("rms_norm_eps", 0), "rms_norm_eps is 0.0, not positive"),
                change(
                        "llama",
                        node -> node.putObject("quantization_config").put("quant_method", "gptq"),
                        "its quantization_config (quant_method gptq) says that the weights are quantized already"),
                put(
                        "qwen2",
                        "head_dim",
                        16,
                        "the heads make [num_attention_heads 8 * head_dim 16 = 128, hidden_size"
                                + " 256], but qwen2 needs both equal"),
                put("qwen3", "head_dim", 32, "tensor 'model.layers.0.self_attn.v_proj.weight'"),
                change("qwen3", node -> node.remove("head_dim"), "num_key_value_heads 2 * head_dim 128 = 256"));
    }

    @ParameterizedTest
    @MethodSource("contradictions")
    void refuses_a_configuration_that_cannot_be(String fixture, Consumer<ObjectNode> change, String message) {
        String found = refusal(config(fixture, change), tensors(fixture));
        assertTrue(found.startsWith("Cannot use config.json: "), found);
        assertTrue(found.contains(message), found);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "max_position_embeddings",
                "rms_norm_eps"
            })
    void refuses_a_configuration_without(String key) {
        for (String fixture : Checkpoints.FIXTURES) {
            String architecture = fixture.startsWith("qwen") ? fixture : "llama";
            String message = "Cannot use config.json: " + key + " is missing (" + architecture + " needs it)";
            assertEquals(message, refusal(config(fixture, node -> node.remove(key)), tensors(fixture)));
            assertEquals(message, refusal(config(fixture, node -> node.putNull(key)), tensors(fixture)));
        }
    }

    @Test
    void refuses_each_missing_tensor_by_name() {
        for (String fixture : Checkpoints.FIXTURES) {
            for (TensorLocation gone : tensors(fixture)) {
                List<TensorLocation> tensors = tensors(fixture);
                tensors.remove(gone);
                String message = refusal(config(fixture), tensors);
                assertTrue(
                        message.startsWith("Cannot convert the checkpoint: tensor '" + gone.name() + "' is missing"),
                        message);
            }
        }
    }

    @Test
    void refuses_each_wrong_shape_with_what_it_should_be() {
        for (String fixture : Checkpoints.FIXTURES) {
            for (TensorLocation bent : tensors(fixture)) {
                long[] shape = bent.shape().toArray();
                shape[shape.length - 1]++;
                List<TensorLocation> tensors = tensors(fixture);
                tensors.removeIf(tensor -> tensor.name().equals(bent.name()));
                Checkpoints.add(tensors, bent.name(), DType.BF16, shape);
                String message = refusal(config(fixture), tensors);
                assertTrue(message.contains("by its sizes tensor '" + bent.name() + "' is ["), message);
                assertTrue(
                        message.endsWith("in model.safetensors it is "
                                + tensors.get(tensors.size() - 1).shape()),
                        message);
            }
        }
    }

    @Test
    void counts_the_missing_layers() {
        assertEquals(
                "Cannot convert the checkpoint: tensor 'model.layers.2.input_layernorm.weight' is missing, which a llama of"
                        + " 3 layers needs (and 8 more such)",
                refusal(config("llama", node -> node.put("num_hidden_layers", 3)), tensors("llama")));
    }

    @Test
    void refuses_the_layers_too_many() {
        assertEquals(
                "Cannot convert the checkpoint: tensor 'model.layers.1.input_layernorm.weight' of model.safetensors is not"
                        + " one of a llama of 1 layers (and 8 more such)",
                refusal(config("llama", node -> node.put("num_hidden_layers", 1)), tensors("llama")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "model.layers.0.self_attn.q_proj.weight_scale_inv",
                "model.layers.0.self_attn.q_norm.weight",
                "model.layers.00.self_attn.q_proj.weight",
                "score.weight"
            })
    void refuses_an_unknown_tensor_by_name(String name) {
        List<TensorLocation> tensors = tensors("llama");
        Checkpoints.add(tensors, name, DType.F32, 1);
        assertEquals(
                "Cannot convert the checkpoint: tensor '" + name
                        + "' of model.safetensors is not one of a llama of 2 layers",
                refusal(config("llama"), tensors));
    }

    @Test
    void needs_biases_that_the_configuration_promises() {
        assertTrue(refusal(config("llama", node -> node.put("attention_bias", true)), tensors("llama"))
                .contains("tensor 'model.layers.0.self_attn.q_proj.bias' is missing"));
        assertTrue(refusal(config("llama", node -> node.put("mlp_bias", true)), tensors("llama"))
                .contains("tensor 'model.layers.0.mlp.gate_proj.bias' is missing"));
    }

    @Test
    void needs_a_head_that_is_not_tied() {
        HfConfig untied = config("llama3-rope-scaled-tied", node -> node.put("tie_word_embeddings", false));
        assertTrue(refusal(untied, tensors("llama3-rope-scaled-tied")).contains("'lm_head.weight' is missing"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"F8_E4M3", "F8_E5M2", "BOOL"})
    void refuses_a_type_that_is_no_weight(String dtype) {
        List<TensorLocation> tensors = tensors("llama");
        tensors.removeIf(tensor -> tensor.name().equals("lm_head.weight"));
        Checkpoints.add(tensors, "lm_head.weight", DType.of(dtype).orElseThrow(), 512, 256);
        assertEquals(
                "Cannot convert tensor 'lm_head.weight' of model.safetensors: it is stored as " + dtype
                        + ", but llama is converted from F64, F32, F16, BF16 or integers",
                refusal(config("llama"), tensors));
    }

    /** Whatever the configuration says, the answer is a model of those tensors or the one exception. */
    @Test
    void survives_random_damage_of_the_configuration() {
        int accepted = 0;
        for (int seed = 0; seed < 5_000; seed++) {
            Random random = new Random(seed);
            String fixture = Checkpoints.FIXTURES.get(random.nextInt(Checkpoints.FIXTURES.size()));
            byte[] damaged = configBytes(fixture);
            for (int i = 0; i < 1 + random.nextInt(3); i++) {
                damaged[random.nextInt(damaged.length)] = (byte)
                        (random.nextBoolean()
                                ? random.nextInt(256)
                                : "{}[]\":,-.0123456789e".charAt(random.nextInt(20)));
            }
            try {
                Model model = map(HfConfig.parse("config.json", damaged), tensors(fixture));
                assertTrue(model.tensors().size() >= tensors(fixture).size(), "seed " + seed);
                accepted++;
            } catch (InvalidInputException e) {
                assertEquals(1, e.getMessage().lines().count(), "seed " + seed + ": " + e.getMessage());
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
        assertTrue(accepted > 100 && accepted < 4_900, accepted + " of 5000 damaged configurations were accepted");
    }
}
