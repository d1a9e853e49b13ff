package io.sparkgguf.validate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.validate.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelCheckTest {
    private static final String OF_DIMENSIONS = " of these dimensions needs";

    private static Finding error(String subject, String message) {
        return new Finding(Severity.ERROR, subject, message);
    }

    private static Finding warning(String subject, String message) {
        return new Finding(Severity.WARNING, subject, message);
    }

    private static MetadataValue i32(int value) {
        return MetadataValue.Int.of(MetadataType.I32, value);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen2", "qwen3"})
    void soundModelsHaveNoFindings(String architecture) {
        assertEquals(List.of(), SmallModels.of(architecture).findings());
        assertEquals(
                List.of(), SmallModels.of(architecture).remove("output.weight").findings());
        assertTrue(ModelCheck.knownArchitectures().contains(architecture));
    }

    static Stream<Arguments> variants() {
        return Stream.of(
                variant("experts", SmallModels.mixtral(), m -> {}),
                variant("rope factors", SmallModels.of("llama"), m -> m.put("rope_freqs.weight", 16)),
                variant(
                        "biases",
                        SmallModels.of("llama"),
                        m -> m.put("blk.0.attn_q.bias", 256)
                                .put("blk.1.ffn_down.bias", 256)
                                .put("blk.1.attn_output.bias", 256)),
                variant("long rope", SmallModels.of("llama"), m -> {
                    m.metadata.putString("llama.rope.scaling.type", "longrope");
                    m.put("rope_factors_long.weight", 16).put("rope_factors_short.weight", 16);
                }),
                variant(
                        "scales",
                        SmallModels.of("llama"),
                        m -> m.put("blk.0.attn_q.scale", 1).put("blk.0.ffn_up.input_scale", 1)),
                variant("scales of experts", SmallModels.mixtral(), m -> m.put("blk.0.ffn_up_exps.scale", 4)),
                variant(
                        "fused attention",
                        SmallModels.of("llama"),
                        m -> m.remove("blk.0.attn_q.weight")
                                .remove("blk.0.attn_k.weight")
                                .remove("blk.0.attn_v.weight")
                                .put("blk.0.attn_qkv.weight", 512, 256)
                                .put("blk.0.attn_qkv.bias", 512)),
                variant("outer ones", SmallModels.of("llama"), m -> m.put("blk.0.attn_norm.weight", 1, 256)),
                variant(
                        "numbers by layer",
                        SmallModels.of("qwen3"),
                        m -> m.metadata.put(
                                "qwen3.attention.head_count_kv", MetadataValue.Numbers.ofInts(MetadataType.I32, 4, 4))),
                variant(
                        "defaults",
                        SmallModels.of("llama"),
                        m -> m.metadata
                                .remove("llama.attention.key_length")
                                .remove("llama.attention.value_length")
                                .remove("llama.rope.dimension_count")
                                .remove("llama.vocab_size")),
                variant(
                        "no tokens",
                        SmallModels.of("llama"),
                        m -> m.metadata.remove("tokenizer.ggml.tokens").putString("tokenizer.ggml.model", "none")),
                variant(
                        "classifier",
                        SmallModels.of("qwen3"),
                        m -> m.put("cls.output.weight", 2, 256)
                                .metadata
                                .putStrings("qwen3.classifier.output_labels", List.of("yes", "no"))));
    }

    private static Arguments variant(String name, SmallModels model, Consumer<SmallModels> change) {
        return Arguments.of(name, model, change);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("variants")
    void variantsThatLoadHaveNoFindings(String name, SmallModels model, Consumer<SmallModels> change) {
        change.accept(model);
        assertEquals(List.of(), model.findings());
    }

    static Stream<Arguments> damage() {
        return Stream.of(
                broken(
                        "llama",
                        m -> m.remove("blk.1.ffn_up.weight"),
                        "blk.1.ffn_up.weight",
                        "blk.1.ffn_up.weight is" + " missing, which a llama" + OF_DIMENSIONS),
                broken(
                        "qwen3",
                        m -> m.remove("blk.0.attn_k_norm.weight"),
                        "blk.0.attn_k_norm.weight",
                        "blk.0.attn_k_norm.weight is missing, which a qwen3" + OF_DIMENSIONS),
                broken(
                        "llama",
                        m -> m.put("blk.0.attn_k.weight", 256, 256),
                        "blk.0.attn_k.weight",
                        "blk.0.attn_k.weight has shape [256, 256], but a llama" + OF_DIMENSIONS + " [128, 256]"),
                broken(
                        "llama",
                        m -> m.put("blk.0.attn_norm.weight", 2, 256),
                        "blk.0.attn_norm.weight",
                        "blk.0.attn_norm.weight has shape [2, 256], but a llama" + OF_DIMENSIONS + " [256]"),
                broken(
                        "qwen2",
                        m -> m.put("blk.0.attn_k.bias", 256),
                        "blk.0.attn_k.bias",
                        "blk.0.attn_k.bias has shape [256], but a qwen2" + OF_DIMENSIONS + " [128]"),
                broken(
                        "qwen3",
                        m -> m.put("blk.0.attn_output.weight", 256, 256),
                        "blk.0.attn_output.weight",
                        "blk.0.attn_output.weight has shape [256, 256], but a qwen3" + OF_DIMENSIONS + " [256, 512]"),
                broken(
                        "llama",
                        m -> m.put("token_embd.weight", 99, 256),
                        "token_embd.weight",
                        "token_embd.weight has shape [99, 256], but a llama" + OF_DIMENSIONS + " [100, 256]"),
                broken(
                        "qwen2",
                        m -> m.put("rope_freqs.weight", 16),
                        "rope_freqs.weight",
                        "rope_freqs.weight is no tensor of a qwen2 of these dimensions, and a file with tensors that are not"
                                + " used is refused"),
                broken(
                        "llama",
                        m -> m.put("blk.2.attn_norm.weight", 256),
                        "blk.2.attn_norm.weight",
                        "blk.2.attn_norm.weight is no tensor of a llama of these dimensions, and a file with tensors that are"
                                + " not used is refused"),
                broken(
                        "llama",
                        m -> m.put("blk.0.attn_qkv.bias", 512),
                        "blk.0.attn_qkv.bias",
                        "blk.0.attn_qkv.bias is no tensor of a llama of these dimensions, and a file with tensors that are not"
                                + " used is refused"),
                broken(
                        "llama",
                        m -> m.put("blk.0.attn_q.scale", 2),
                        "blk.0.attn_q.scale",
                        "blk.0.attn_q.scale has shape [2], but a llama" + OF_DIMENSIONS + " [1]"),
                lacks("llama.context_length"),
                lacks("llama.embedding_length"),
                lacks("llama.block_count"),
                lacks("llama.feed_forward_length"),
                lacks("llama.attention.head_count"),
                lacks("llama.attention.layer_norm_rms_epsilon"),
                lacks("general.architecture"),
                lacks("tokenizer.ggml.model"),
                lacks("tokenizer.ggml.tokens"),
                lacks("tokenizer.ggml.merges"),
                key("llama.block_count", i32(2), "is of type I32, but must be U32"),
                key("llama.block_count", MetadataValue.Int.of(MetadataType.U32, 0), "is 0, but must be at least 1"),
                key(
                        "llama.block_count",
                        MetadataValue.Int.of(MetadataType.U32, 513),
                        "is 513, but llama.cpp has room for 512 layers"),
                key(
                        "llama.attention.head_count",
                        MetadataValue.Numbers.ofInts(MetadataType.U32, 8, 8, 8),
                        "has 3 elements for 2 layers"),
                key(
                        "llama.attention.head_count",
                        MetadataValue.Numbers.ofInts(MetadataType.U64, 8, 8),
                        "is an array of U64, but must be one of U32 or I32"),
                key(
                        "llama.rope.freq_base",
                        new MetadataValue.Real(MetadataType.F32, -1),
                        "is -1.0, but must be positive"),
                key(
                        "llama.rope.scaling.type",
                        new MetadataValue.Text("dynamic"),
                        "is \"dynamic\", but must be none, linear, yarn or longrope"),
                key("llama.expert_count", MetadataValue.Int.of(MetadataType.U64, 4), "is of type U64, but must be U32"),
                key("llama.expert_used_count", MetadataValue.Int.of(MetadataType.U32, 2), "is 2 for 0 experts"),
                key(
                        "general.alignment",
                        MetadataValue.Int.of(MetadataType.U32, 48),
                        "is 48, but must be a power of two"),
                key("general.alignment", MetadataValue.Int.of(MetadataType.U64, 32), "is of type U64, but must be U32"),
                key("general.file_type", i32(15), "is of type I32, but must be U32"),
                key("general.architecture", i32(1), "is of type I32, but must be STRING"),
                broken(
                        "llama",
                        m -> m.metadata.putU32("llama.rope.dimension_count", 16),
                        "llama.attention.key_length",
                        "heads have 32 elements of keys, 32 of values and 16 that are rotated, but all three must be the same"),
                key("tokenizer.ggml.tokens", new MetadataValue.Text("a"), "must be an array of strings"),
                key("tokenizer.ggml.merges", i32(1), "must be an array of strings"),
                key(
                        "tokenizer.ggml.token_type",
                        MetadataValue.Numbers.ofInts(MetadataType.I32, 1, 1),
                        "has 2 elements for 100 tokens"),
                key(
                        "tokenizer.ggml.token_type",
                        MetadataValue.Numbers.ofInts(MetadataType.U32, new int[100]),
                        "must be an array of I32"),
                key("tokenizer.ggml.scores", MetadataValue.Strings.of(List.of("a")), "must be an array of F32 or I32"),
                key("tokenizer.ggml.add_bos_token", i32(1), "is of type I32, but must be BOOL"),
                key("tokenizer.ggml.eos_token_id", i32(1), "is of type I32, but must be U32"),
                key("general.name", i32(1), "is of type I32, but must be STRING"));
    }

    private static Arguments broken(String model, Consumer<SmallModels> change, String subject, String message) {
        return Arguments.of(model, change, error(subject, message));
    }

    private static Arguments lacks(String key) {
        Consumer<SmallModels> change = model -> model.metadata.remove(key);
        return Arguments.of("llama", change, error(key, "the metadata has no " + key + ", which this model needs"));
    }

    private static Arguments key(String key, MetadataValue value, String message) {
        Consumer<SmallModels> change = model -> model.metadata.put(key, value);
        return Arguments.of("llama", change, error(key, key + " " + message));
    }

    @ParameterizedTest(name = "{2}")
    @MethodSource("damage")
    void oneDamageIsOneFinding(String architecture, Consumer<SmallModels> change, Finding expected) {
        SmallModels model = SmallModels.of(architecture);
        change.accept(model);
        assertEquals(List.of(expected), model.findings());
    }

    @Test
    void headsThatDoNotDivideAreAnError() {
        SmallModels model = SmallModels.of("llama");
        model.metadata.putU32("llama.attention.head_count_kv", 3);
        List<Finding> findings = model.findings();
        assertEquals(
                error("llama.attention.head_count_kv", "8 heads cannot share 3 heads of keys and values evenly"),
                findings.get(0));
        assertEquals(5, findings.size(), "and the four tensors of keys and values do not fit");
    }

    @Test
    void tokensMustDiffer() {
        SmallModels model = SmallModels.of("llama");
        List<String> tokens = new ArrayList<>(List.of("a", "", "b", "", "a"));
        while (tokens.size() < SmallModels.TOKENS) {
            tokens.add("x" + tokens.size());
        }
        model.metadata.putStrings("tokenizer.ggml.tokens", tokens);
        assertEquals(
                List.of(error("tokenizer.ggml.tokens", "tokenizer.ggml.tokens has the same text at 0 and 4")),
                model.findings());
    }

    @Test
    void tokensThatAreNotUtf8AreToldApart() {
        SmallModels model = SmallModels.of("llama");
        byte[] packed = new byte[SmallModels.TOKENS];
        int[] ends = new int[SmallModels.TOKENS];
        for (int i = 0; i < packed.length; i++) {
            packed[i] = (byte) (0x80 + i);
            ends[i] = i + 1;
        }
        model.metadata.put("tokenizer.ggml.tokens", new MetadataValue.Strings(packed, ends));
        assertEquals(List.of(), model.findings());
    }

    @Test
    void contradictionsThatLoadAreWarnings() {
        SmallModels model = SmallModels.of("llama");
        model.metadata
                .remove("general.quantization_version")
                .putU32("llama.vocab_size", 120)
                .putU32("tokenizer.chat_template", 1)
                .putU32("tokenizer.ggml.eos_token_id", 100)
                .put("tokenizer.ggml.scores", MetadataValue.Numbers.ofFloats(new float[101]));
        assertEquals(
                Set.of(
                        warning(
                                "general.quantization_version",
                                "general.quantization_version is absent, but should be 2 in a file of quantized tensors"),
                        warning(
                                "tokenizer.chat_template",
                                "tokenizer.chat_template is of type U32, so that it is not used"),
                        warning("llama.vocab_size", "llama.vocab_size is 120, but there are 100 tokens"),
                        warning(
                                "tokenizer.ggml.eos_token_id",
                                "tokenizer.ggml.eos_token_id is 100, but there are 100 tokens"),
                        warning("tokenizer.ggml.scores", "tokenizer.ggml.scores has 101 elements for only 100 tokens")),
                Set.copyOf(model.findings()));
    }

    @Test
    void unknownArchitecturesAreCheckedInGeneral() {
        Metadata metadata = new Metadata().putString("general.architecture", "novel");
        List<TensorEntry> tensors = List.of(
                new TensorEntry("token_embd.weight", Shape.of(7, 64), BlockType.F16),
                new TensorEntry("anything", Shape.of(3), BlockType.F32));
        assertEquals(List.of(), ModelCheck.check(metadata, tensors));
        metadata.putString("tokenizer.ggml.model", "llama").putStrings("tokenizer.ggml.tokens", List.of("a", "b"));
        assertEquals(
                List.of(warning("token_embd.weight", "token_embd.weight has 7 rows, but there are 2 tokens")),
                ModelCheck.check(metadata, tensors));
    }

    @Test
    void tensorsMustBeOfTheFormat() {
        Metadata metadata = new Metadata().putString("general.architecture", "novel");
        String longName = "n".repeat(62) + "\u00e9";
        List<TensorEntry> tensors = List.of(
                new TensorEntry(longName, Shape.of(1), BlockType.F32),
                new TensorEntry("", Shape.of(1), BlockType.F32),
                new TensorEntry("deep", Shape.of(1, 1, 1, 1, 1), BlockType.F32),
                new TensorEntry("odd", Shape.of(48), BlockType.Q8_0),
                new TensorEntry("twice", Shape.of(1), BlockType.F32),
                new TensorEntry("twice", Shape.of(2), BlockType.F32));
        metadata.putU32("general.quantization_version", 2);
        assertEquals(
                List.of(
                        error(longName, "the tensor name \"" + longName + "\" has 64 bytes, but must have 1 to 63"),
                        error("", "the tensor name \"\" has 0 bytes, but must have 1 to 63"),
                        error("deep", "deep has 5 dimensions, but must have at most 4"),
                        error("odd", "odd has rows of 48 columns, not a multiple of the block of 32 of Q8_0"),
                        error("twice", "twice is there twice")),
                ModelCheck.check(metadata, tensors));
        assertEquals(List.of(warning("", "the file has no tensors")), ModelCheck.check(metadata, List.of()));
    }

    @Test
    void absurdNumbersAreFindingsToo() {
        SmallModels model = SmallModels.of("llama");
        for (String key : List.of("embedding_length", "feed_forward_length", "attention.head_count", "expert_count")) {
            model.metadata.putU32("llama." + key, 0xFFFFFFFFL);
        }
        model.metadata.putU32("llama.attention.head_count_kv", 0xFFFFFFFFL);
        List<Finding> findings = model.findings();
        assertTrue(findings.size() > 2, findings::toString);
        assertTrue(findings.stream().anyMatch(Finding::isError));
        assertTrue(
                findings.contains(error(
                        "llama.attention.head_count",
                        "4294967295 heads of 32 elements exceed the limit of 1048576 each")),
                findings::toString);
    }

    @Test
    void findingsAreLimited() {
        SmallModels model = SmallModels.of("llama");
        model.metadata.putU32("llama.block_count", 512);
        List<Finding> findings = model.findings();
        assertEquals(Findings.LIMIT + 1, findings.size());
        // of each of 510 layers, nine tensors are missing
        assertEquals(error("", (510 * 9 - Findings.LIMIT) + " more errors"), findings.get(Findings.LIMIT));
    }

    @Test
    void noFilesAreNoModel() {
        assertEquals(
                "Cannot check a model of no files",
                assertThrows(IllegalArgumentException.class, () -> ModelCheck.check(List.of()))
                        .getMessage());
    }
}
