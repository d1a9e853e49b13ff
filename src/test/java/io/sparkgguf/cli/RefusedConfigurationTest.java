package io.sparkgguf.cli;

import static io.sparkgguf.cli.CheckpointDamage.editJson;
import static io.sparkgguf.cli.CheckpointDamage.resize;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.cli.CheckpointDamage.Change;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Configurations and tokenizers that do not fit their weights, or are made to hurt, through the command line. */
class RefusedConfigurationTest {
    private static final String KNOWN =
            "known are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, "
                    + "BitNetForCausalLM, BitnetForCausalLM";

    @TempDir
    private static Path sound;

    @TempDir
    private Path folder;

    @BeforeAll
    static void writeSoundModel() throws IOException {
        Fixture.LLAMA.write(sound.resolve("llama"));
    }

    private static Arguments config(String reason, Consumer<ObjectNode> change) {
        return arguments(reason, (Change) folder -> editJson(folder.resolve("config.json"), change));
    }

    private static Arguments configText(String reason, String text) {
        return arguments("Cannot read {model}/config.json: " + reason, (Change)
                folder -> Files.writeString(folder.resolve("config.json"), text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "vocab_size",
                "max_position_embeddings",
                "rms_norm_eps"
            })
    void refusesAConfigurationWithout(String key) throws IOException {
        refuses(
                "Cannot use {model}/config.json: " + key + " is missing (llama needs it)",
                folder -> editJson(folder.resolve("config.json"), config -> config.remove(key)));
    }

    static Stream<Arguments> configurations() {
        String embedding = "Cannot use {model}/config.json: by its sizes tensor 'model.embed_tokens.weight' is"
                + " [vocab_size %d, hidden_size %d], but in {model}/model.safetensors it is [512, 256]";
        return Stream.of(
                config(embedding.formatted(512, 128), config -> config.put("hidden_size", 128)),
                config(embedding.formatted(500, 256), config -> config.put("vocab_size", 500)),
                config(
                        "Cannot use {model}/config.json: num_attention_heads is 0, not from 1 to 2147483647",
                        config -> config.put("num_attention_heads", 0)),
                config(
                        "Cannot convert the checkpoint: tensor 'model.layers.2.input_layernorm.weight' is missing,"
                                + " which a llama of 3 layers needs (and 8 more such)",
                        config -> config.put("num_hidden_layers", 3)),
                config(
                        "Cannot convert the checkpoint: tensor 'model.layers.1.input_layernorm.weight' of"
                                + " {model}/model.safetensors is not one of a llama of 1 layers (and 8 more such)",
                        config -> config.put("num_hidden_layers", 1)),
                config(
                        "Cannot use {model}/config.json: the architecture GemmaForCausalLM is not known; " + KNOWN,
                        config -> config.putArray("architectures").add("GemmaForCausalLM")),
                config(
                        "Cannot use {model}/config.json: architectures is missing or empty; " + KNOWN,
                        config -> config.remove("architectures")));
    }

    static Stream<Arguments> jsonBombs() {
        return Stream.of(
                configText(
                        "not acceptable JSON (Document nesting depth (65) exceeds the maximum allowed (64))",
                        "{\"a\":".repeat(100_000)),
                configText(
                        "not acceptable JSON (Number value length (100000) exceeds the maximum allowed (100))",
                        "{\"hidden_size\": " + "9".repeat(100_000) + "}"),
                configText("not acceptable JSON (Duplicate field 'a'), at line 1, column 11", "{\"a\":1,\"a\":2}"),
                configText("it is not a JSON object", "[]"),
                arguments(
                        "Cannot read {model}/config.json: it has 17825792 bytes, more than the 16777216 allowed",
                        (Change) folder -> resize(folder.resolve("config.json"), 17 << 20)),
                arguments(
                        "Cannot use tokenizer.json: not valid JSON: Document nesting depth (65) exceeds the maximum"
                                + " allowed (64)",
                        (Change) folder ->
                                Files.writeString(folder.resolve("tokenizer.json"), "[{\"a\":".repeat(100_000))),
                arguments(
                        "Cannot use tokenizer.json: it has 135266304 bytes, more than the limit of 134217728",
                        (Change) folder -> resize(folder.resolve("tokenizer.json"), 129 << 20)));
    }

    static Stream<Arguments> tokenizers() {
        return Stream.of(
                tokenizer(
                        "token \"zzzz\" has the id 512, but the embedding has 512 rows",
                        model -> ((ObjectNode) model.get("vocab")).put("zzzz", 512)),
                tokenizer("its model is \"WordPiece\", not BPE or Unigram", model -> model.put("type", "WordPiece")),
                tokenizer("model.merges is no list", model -> model.remove("merges")),
                arguments(
                        "Cannot read the tokenizer: the folder has neither tokenizer.json nor tokenizer.model",
                        (Change) folder -> Files.delete(folder.resolve("tokenizer.json"))));
    }

    private static Arguments tokenizer(String reason, Consumer<ObjectNode> changeOfModel) {
        return arguments("Cannot use tokenizer.json: " + reason, (Change) folder -> editJson(
                folder.resolve("tokenizer.json"),
                tokenizer -> changeOfModel.accept((ObjectNode) tokenizer.get("model"))));
    }

    @ParameterizedTest
    @MethodSource({"configurations", "jsonBombs", "tokenizers"})
    void refusesAFolderThatDoesNotFit(String reason, Change damage) throws IOException {
        refuses(reason, damage);
    }

    @Test
    void namesTheOptionWhereThePreTokenizerIsUnknown() throws IOException {
        Path model = CheckpointDamage.copy(sound.resolve("llama"), folder.resolve("model"));
        editJson(model.resolve("tokenizer.json"), tokenizer -> {
            ObjectNode split = tokenizer.putObject("pre_tokenizer").put("type", "Sequence");
            split.putArray("pretokenizers")
                    .add(CheckpointDamage.json(
                            "{'type': 'Split', 'pattern': {'Regex': 'xyzzy+'}, 'behavior': 'Isolated',"
                                    + " 'invert': false}"))
                    .add(CheckpointDamage.json("{'type': 'ByteLevel', 'add_prefix_space': false, 'trim_offsets': true,"
                            + " 'use_regex': false}"));
        });
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        output.refusesFrom("Cannot use tokenizer.json: the pre-tokenizer is unknown (digest ", model);
        output.refusesFrom(
                "Cannot use the pre-tokenizer \"llama-4711\": llama.cpp knows none of this name; known are ",
                model,
                "--pre-tokenizer",
                "llama-4711");
        output.accepts(model, "--pre-tokenizer", "llama-bpe");
    }

    private void refuses(String reason, Change damage) throws IOException {
        Path model = CheckpointDamage.copy(sound.resolve("llama"), folder.resolve("model"));
        damage.apply(model);
        new OutputFolder(folder.resolve("out")).refuses(reason, model);
    }
}
