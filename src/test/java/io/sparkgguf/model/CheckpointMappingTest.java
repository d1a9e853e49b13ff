package io.sparkgguf.model;

import static io.sparkgguf.model.Checkpoints.config;
import static io.sparkgguf.model.Checkpoints.json;
import static io.sparkgguf.model.Checkpoints.lines;
import static io.sparkgguf.model.Checkpoints.map;
import static io.sparkgguf.model.Checkpoints.resource;
import static io.sparkgguf.model.Checkpoints.tensors;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.format.safetensors.SafetensorsCheckpoint;
import io.sparkgguf.model.ModelTensor.Stored;
import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointMappingTest {
    private static final Map<String, String> GLOBAL = Map.of(
            "model.embed_tokens.weight", "token_embd.weight",
            "model.norm.weight", "output_norm.weight",
            "lm_head.weight", "output.weight");
    private static final Map<String, String> IN_LAYER = Map.ofEntries(
            Map.entry("input_layernorm", "attn_norm"),
            Map.entry("post_attention_layernorm", "ffn_norm"),
            Map.entry("self_attn.q_proj", "attn_q"),
            Map.entry("self_attn.k_proj", "attn_k"),
            Map.entry("self_attn.v_proj", "attn_v"),
            Map.entry("self_attn.o_proj", "attn_output"),
            Map.entry("self_attn.q_norm", "attn_q_norm"),
            Map.entry("self_attn.k_norm", "attn_k_norm"),
            Map.entry("mlp.gate_proj", "ffn_gate"),
            Map.entry("mlp.up_proj", "ffn_up"),
            Map.entry("mlp.down_proj", "ffn_down"));

    /** The mapping the other way: from the checkpoint's names, without the pages. */
    private static String ggufName(String name) {
        String[] parts = name.split("\\.");
        if (!name.startsWith("model.layers.")) {
            return GLOBAL.get(name);
        }
        String kind = parts[parts.length - 1];
        String inside = name.substring(("model.layers." + parts[2] + ".").length(), name.length() - kind.length() - 1);
        return "blk." + parts[2] + "." + IN_LAYER.get(inside) + "." + kind;
    }

    private static Map<String, Shape> shapes(Model model) {
        return model.tensors().stream()
                .collect(Collectors.toMap(ModelTensor::name, ModelTensor::shape, (a, b) -> null, TreeMap::new));
    }

    static Stream<Arguments> fixtures() {
        return Checkpoints.FIXTURES.stream()
                .flatMap(name -> Stream.of("config.json", "config-v4.json").map(file -> arguments(name, file)));
    }

    private static List<String> expectedMetadata(String fixture) {
        String arch = fixture.startsWith("qwen") ? fixture : "llama";
        boolean tied = fixture.equals("llama3-rope-scaled-tied");
        int headDim = tied || fixture.equals("qwen3") ? 64 : 32;
        List<String> lines = new ArrayList<>(List.of(
                "general.architecture STRING " + arch,
                "general.type STRING model",
                "general.name STRING Folder",
                "general.size_label STRING "
                        + Map.of("llama3-rope-scaled-tied", "1.6M", "qwen3", "1.7M")
                                .getOrDefault(fixture, "1.4M"),
                arch + ".block_count U32 2",
                arch + ".context_length U32 512",
                arch + ".embedding_length U32 256",
                arch + ".feed_forward_length U32 512",
                arch + ".attention.head_count U32 8",
                arch + ".attention.head_count_kv U32 2",
                arch + ".rope.freq_base F32 " + (tied ? "500000.0" : "10000.0"),
                arch + ".attention.layer_norm_rms_epsilon F32 1.0E-5"));
        if (!fixture.equals("qwen2")) {
            lines.add(arch + ".attention.key_length U32 " + headDim);
            lines.add(arch + ".attention.value_length U32 " + headDim);
        }
        if (arch.equals("llama")) {
            lines.add("llama.vocab_size U32 512");
            lines.add("llama.rope.dimension_count U32 " + headDim);
        }
        return lines;
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void maps_every_fixture_fully(String fixture, String configFile) {
        List<TensorLocation> stored = tensors(fixture);
        Model model = map(HfConfig.parse("config.json", resource("fixtures/" + fixture + "/" + configFile)), stored);

        Map<String, Shape> expected = new TreeMap<>();
        stored.forEach(tensor -> expected.put(ggufName(tensor.name()), tensor.shape()));
        if (fixture.startsWith("llama3")) {
            expected.put("rope_freqs.weight", Shape.of(32));
        }
        assertEquals(expected, shapes(model));
        assertEquals(expectedMetadata(fixture), lines(model));
        for (ModelTensor tensor : model.tensors()) {
            if (tensor.source() instanceof Stored source) {
                assertEquals(1, source.parts().size());
                assertEquals(tensor.name(), ggufName(source.parts().get(0).name()));
                boolean turned =
                        model.architecture().equals("llama") && tensor.name().matches(".*attn_[qk]\\..*");
                int headDim = fixture.startsWith("llama3") ? 64 : 32;
                assertEquals(
                        turned ? RowOrder.interleaveHalves(headDim) : RowOrder.AS_STORED,
                        source.order(),
                        tensor.name());
            } else {
                assertEquals(BlockType.F32, tensor.encoding());
            }
        }
    }

    @Test
    void maps_docs_lm_from_its_own_files() throws IOException {
        String folder = "models/docs-lm";
        MemoryStorage storage =
                new MemoryStorage().put(folder + "/model.safetensors", resource(folder + "/model.safetensors"));
        Model model = CheckpointMapping.map(
                HfConfig.parse("config.json", resource(folder + "/config.json")),
                Optional.of(HfConfig.parse("generation_config.json", resource(folder + "/generation_config.json"))),
                "docs-lm",
                SafetensorsCheckpoint.open(storage, folder).tensors());

        Map<String, Shape> expected = new TreeMap<>(Map.of(
                "token_embd.weight", Shape.of(4096, 256),
                "output.weight", Shape.of(4096, 256),
                "output_norm.weight", Shape.of(256)));
        for (int layer = 0; layer < 6; layer++) {
            String block = "blk." + layer + ".";
            expected.put(block + "attn_norm.weight", Shape.of(256));
            expected.put(block + "attn_q.weight", Shape.of(8 * 32, 256));
            expected.put(block + "attn_k.weight", Shape.of(4 * 32, 256));
            expected.put(block + "attn_v.weight", Shape.of(4 * 32, 256));
            expected.put(block + "attn_output.weight", Shape.of(256, 8 * 32));
            expected.put(block + "ffn_norm.weight", Shape.of(256));
            expected.put(block + "ffn_gate.weight", Shape.of(768, 256));
            expected.put(block + "ffn_up.weight", Shape.of(768, 256));
            expected.put(block + "ffn_down.weight", Shape.of(256, 768));
        }
        assertEquals(expected, shapes(model));
        assertEquals(
                List.of(
                        "general.architecture STRING llama",
                        "general.type STRING model",
                        "general.name STRING Docs Lm",
                        "general.size_label STRING 6.8M",
                        "llama.block_count U32 6",
                        "llama.context_length U32 1024",
                        "llama.embedding_length U32 256",
                        "llama.feed_forward_length U32 768",
                        "llama.attention.head_count U32 8",
                        "llama.attention.head_count_kv U32 4",
                        "llama.rope.freq_base F32 10000.0",
                        "llama.attention.layer_norm_rms_epsilon F32 1.0E-5",
                        "llama.attention.key_length U32 32",
                        "llama.attention.value_length U32 32",
                        "llama.vocab_size U32 4096",
                        "llama.rope.dimension_count U32 32"),
                lines(model));
    }

    @Test
    void keeps_vectors_and_norms_as_f32() {
        Model model = map(config("qwen2"), tensors("qwen2"));
        assertEquals(
                List.of("attn_k", "attn_norm", "attn_q", "attn_v", "ffn_norm", "output_norm"),
                model.tensors().stream()
                        .filter(ModelTensor::keepsF32)
                        .map(tensor -> tensor.name().replaceAll("blk\\.\\d\\.|\\.weight|\\.bias", ""))
                        .distinct()
                        .sorted()
                        .toList());
    }

    @ParameterizedTest
    @CsvSource({
        "blk.0.attn_q.weight, 2, false",
        "token_embd.weight, 2, false",
        "blk.0.ffn_up_exps.weight, 3, false",
        "blk.0.ffn_gate_inp.weight, 2, true",
        "blk.0.ffn_gate_inp_shexp.weight, 2, true",
        "blk.0.attn_q_norm.weight, 2, true",
        "blk.0.ffn_up_exps.bias, 2, true",
        "blk.0.attn_q.scale, 2, true",
        "rope_freqs.weight, 1, true",
        "blk.0.scalar.weight, 0, true"
    })
    void tells_what_stays_f32_by_name_and_rank(String name, int rank, boolean expected) {
        long[] ones = new long[rank];
        Arrays.fill(ones, 1);
        ModelTensor.Computed any = new ModelTensor.Computed(new float[1]);
        assertEquals(expected, new ModelTensor(name, Shape.of(ones), any).keepsF32());
    }

    @Test
    void biases_turn_with_their_weights() {
        List<TensorLocation> tensors = tensors("llama");
        for (int layer = 0; layer < 2; layer++) {
            String block = "model.layers." + layer + ".self_attn.";
            Checkpoints.add(tensors, block + "q_proj.bias", DType.F32, 256);
            Checkpoints.add(tensors, block + "k_proj.bias", DType.F32, 64);
            Checkpoints.add(tensors, block + "v_proj.bias", DType.F32, 64);
            Checkpoints.add(tensors, block + "o_proj.bias", DType.F32, 256);
        }
        Model model = map(config("llama", node -> node.put("attention_bias", true)), tensors);
        Map<String, RowOrder> orders = model.tensors().stream()
                .filter(tensor -> tensor.name().matches("blk\\.1\\..*\\.bias"))
                .collect(Collectors.toMap(ModelTensor::name, tensor -> ((Stored) tensor.source()).order()));
        assertEquals(
                Map.of(
                        "blk.1.attn_q.bias",
                        RowOrder.interleaveHalves(32),
                        "blk.1.attn_k.bias",
                        RowOrder.interleaveHalves(32),
                        "blk.1.attn_v.bias",
                        RowOrder.AS_STORED,
                        "blk.1.attn_output.bias",
                        RowOrder.AS_STORED),
                orders);
    }

    @Test
    void a_head_beside_tied_embeddings_is_kept() {
        List<TensorLocation> tensors = tensors("llama3-rope-scaled-tied");
        Checkpoints.add(tensors, "lm_head.weight", DType.BF16, 512, 256);
        Model model = map(config("llama3-rope-scaled-tied"), tensors);
        assertEquals(Shape.of(512, 256), shapes(model).get("output.weight"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.layers.0.self_attn.rotary_emb.inv_freq", "h.0.attention.masked_bias"})
    void buffers_of_old_checkpoints_are_dropped(String name) {
        List<TensorLocation> tensors = tensors("llama");
        Model without = map(config("llama"), tensors);
        Checkpoints.add(tensors, name, DType.F32, 16);
        assertEquals(shapes(without), shapes(map(config("llama"), tensors)));
    }

    @Test
    void head_dim_and_key_value_heads_have_the_defaults_of_transformers() {
        HfConfig config = config("llama", node -> {
            node.remove("head_dim");
            node.remove("num_key_value_heads");
        });
        List<TensorLocation> tensors = new ArrayList<>();
        tensors("llama").forEach(tensor -> {
            boolean grouped = tensor.name().matches(".*[kv]_proj.*");
            Checkpoints.add(
                    tensors,
                    tensor.name(),
                    DType.BF16,
                    grouped ? new long[] {256, 256} : tensor.shape().toArray());
        });
        List<String> lines = lines(map(config, tensors));
        assertTrue(lines.contains("llama.attention.head_count_kv U32 8"), lines.toString());
        assertTrue(lines.contains("llama.attention.key_length U32 32"), lines.toString());
    }

    @Test
    void qwen2_tells_its_head_width_only_when_configured() {
        List<String> lines = lines(map(config("qwen2", node -> node.put("head_dim", 32)), tensors("qwen2")));
        assertTrue(lines.contains("qwen2.attention.key_length U32 32"), lines.toString());
        assertTrue(lines.contains("qwen2.attention.value_length U32 32"), lines.toString());
    }

    @Test
    void sampling_comes_from_the_generation_config() {
        HfConfig generation = json("{'temperature':0.6,'top_k':20,'top_p':0.95,'repetition_penalty':1.05,'min_p':0,"
                + "'do_sample':true,'penalty_last_n':64,'mirostat':null,'xtc_threshold':1e-3}");
        Model model = CheckpointMapping.map(config("qwen3"), Optional.of(generation), "folder", tensors("qwen3"));
        assertEquals(
                List.of(
                        "general.type STRING model",
                        "general.sampling.top_k I32 20",
                        "general.sampling.top_p F32 0.95",
                        "general.sampling.min_p F32 0.0",
                        "general.sampling.xtc_threshold F32 0.001",
                        "general.sampling.temp F32 0.6",
                        "general.sampling.penalty_last_n I32 64",
                        "general.sampling.penalty_repeat F32 1.05",
                        "general.name STRING Folder"),
                lines(model).subList(1, 10));
        assertEquals(
                new MetadataValue.Real(MetadataType.F32, 0.6f),
                model.metadata().get("general.sampling.temp").orElseThrow());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Qwen/Qwen2.5-0.5B-Instruct | Qwen2.5 0.5B Instruct",
                "/home/somebody/checkpoints/step-9 | Folder",
                "'' | Folder",
                "my model | My Model"
            })
    void the_model_is_named_by_its_repository_or_folder(String path, String name) {
        Model model = map(config("llama", node -> node.put("_name_or_path", path)), tensors("llama"));
        assertEquals(name, model.metadata().string("general.name").orElseThrow());
    }

    @Test
    void rope_divisors_are_stored_as_a_computed_tensor() {
        Model model = map(config("llama3-rope-scaled-tied"), tensors("llama3-rope-scaled-tied"));
        ModelTensor factors = model.tensors().stream()
                .filter(tensor -> tensor.name().equals("rope_freqs.weight"))
                .findFirst()
                .orElseThrow();
        float[] values = ((ModelTensor.Computed) factors.source()).values();
        assertArrayEquals(new float[] {1, 8}, new float[] {values[0], values[31]});
    }
}
