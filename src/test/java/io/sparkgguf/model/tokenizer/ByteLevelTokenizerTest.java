package io.sparkgguf.model.tokenizer;

import static io.sparkgguf.model.tokenizer.Folder.bool;
import static io.sparkgguf.model.tokenizer.Folder.byteLevel;
import static io.sparkgguf.model.tokenizer.Folder.byteLevelConfig;
import static io.sparkgguf.model.tokenizer.Folder.json;
import static io.sparkgguf.model.tokenizer.Folder.strings;
import static io.sparkgguf.model.tokenizer.Folder.types;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ByteLevelTokenizerTest {
    private final ObjectNode tokenizer = byteLevel();
    private final ObjectNode config = byteLevelConfig();

    private TokenizerMetadata read(int rows) {
        return new Folder()
                .put("tokenizer.json", tokenizer)
                .put("tokenizer_config.json", config)
                .read(rows);
    }

    private ArrayNode added() {
        return (ArrayNode) tokenizer.get("added_tokens");
    }

    private ObjectNode model() {
        return (ObjectNode) tokenizer.get("model");
    }

    @Test
    void writesTokensTypesAndMerges() {
        TokenizerMetadata read = read(10);
        Metadata metadata = read.metadata();
        assertEquals(Optional.of("gpt2"), metadata.string("tokenizer.ggml.model"));
        assertEquals(Optional.of("llama-bpe"), metadata.string("tokenizer.ggml.pre"));
        assertEquals(
                List.of("a", "b", "c", "Ġ", "ab", "abc", "<|start|>", "<|end|>", "[PAD8]", "[PAD9]"),
                strings(metadata, "tokenizer.ggml.tokens"));
        assertEquals(List.of(1, 1, 1, 1, 1, 1, 3, 3, 5, 5), types(metadata));
        assertEquals(List.of("a b", "ab c"), strings(metadata, "tokenizer.ggml.merges"));
        assertEquals(
                MetadataType.U32,
                metadata.get("tokenizer.ggml.bos_token_id").orElseThrow().type());
        assertEquals(Optional.of(6L), metadata.integer("tokenizer.ggml.bos_token_id"));
        assertEquals(Optional.of(7L), metadata.integer("tokenizer.ggml.eos_token_id"));
        assertFalse(metadata.contains("tokenizer.ggml.scores"));
        assertEquals(List.of(), read.notes());
    }

    @Test
    void mergesAsPairsAreWrittenWithTheirSpacesMarked() {
        ObjectNode vocabulary = (ObjectNode) model().get("vocab");
        vocabulary.put(" ", 8).put(" a", 9);
        model().set("merges", Folder.array(List.of("a", "b"), List.of(" ", "a")));
        Metadata metadata = read(10).metadata();
        assertEquals(List.of("a b", "\u0120 a"), strings(metadata, "tokenizer.ggml.merges"));
        assertEquals(" a", strings(metadata, "tokenizer.ggml.tokens").get(9));
    }

    @Test
    void theLaterOfTwoEqualMergesCounts() {
        model().set("merges", Folder.array("#version: 0.2", "a b", "ab c", "a b"));
        assertEquals(List.of("ab c", "a b"), strings(read(8).metadata(), "tokenizer.ggml.merges"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "<tool>; true; 3; <tool>",
                "<tool>; false; 4; <tool>",
                "▁▁; false; 4; `  `",
                "▁▁; true; 3; ▁▁",
                "<|im_end|>; false; 3; <|im_end|>",
                "<｜User｜>; false; 3; <｜User｜>",
                "<unused12>; false; 3; <unused12>",
                "<pad>; false; 3; <pad>",
                "[@BOS@]; false; 3; [@BOS@]",
                "<|open; false; 4; <|open"
            })
    void addedTokensAreControlWhenSpecialOrSpelledSo(String content, boolean special, int type, String text) {
        added().addObject().put("id", 8).put("content", content).put("special", special);
        Metadata metadata = read(9).metadata();
        assertEquals(type, types(metadata).get(8));
        assertEquals(text, strings(metadata, "tokenizer.ggml.tokens").get(8));
    }

    @Test
    void anAddedTokenOfTheModelKeepsItsRow() {
        added().addObject().put("id", 2).put("content", "c").put("special", false);
        assertEquals(List.of(1, 1, 4, 1, 1, 1, 3, 3), types(read(8).metadata()));
    }

    @Test
    void theConfigurationMakesTokensSpecialToo() {
        added().addObject().put("id", 8).put("content", "[user]").put("special", false);
        config.set("added_tokens_decoder", json("{`8`: {`content`: `[user]`, `special`: true}}"));
        config.put("pad_token", "abc");
        config.set("additional_special_tokens", Folder.array("b"));
        Metadata metadata = read(9).metadata();
        assertEquals(List.of(1, 3, 1, 1, 1, 3, 3, 3, 3), types(metadata));
        assertEquals(Optional.of(5L), metadata.integer("tokenizer.ggml.padding_token_id"));
    }

    @Test
    void whatLlamaCppWillNotDoIsSaid() {
        added().addObject().put("id", 8).put("content", "[user]").put("lstrip", true);
        config.set("added_tokens_decoder", json("{`20`: {`content`: `[other]`, `special`: true}}"));
        config.put("unk_token", "[nowhere]");
        tokenizer.set("normalizer", json("{`type`: `NFC`}"));
        List<String> notes = read(9).notes();
        assertEquals(
                List.of(
                        "1 added tokens of tokenizer_config.json are not in tokenizer.json and are left out",
                        "1 added tokens swallow spaces beside them or ask for word borders in transformers, not in"
                                + " llama.cpp",
                        "transformers composes characters (NFC) before it tokenizes, llama.cpp does not",
                        "unk_token \"[nowhere]\" is not in the vocabulary and is left out"),
                notes);
    }

    /** The template puts the first and the last token there; without one nothing is added, whatever llama.cpp would. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            nullValues = "null",
            value = {
                "null; null; false; false",
                "null; true; true; false",
                "{`type`: `ByteLevel`}; null; false; false",
                "{`type`: `ByteLevel`}; true; false; false",
                "{`type`: `TemplateProcessing`, `single`: [{`SpecialToken`: {`id`: `<|start|>`}}, {`Sequence`: {}}]};"
                        + " null; true; false",
                "{`type`: `TemplateProcessing`, `single`: [{`SpecialToken`: {`id`: `<|start|>`}}, {`Sequence`: {}}]};"
                        + " false; true; false",
                "{`type`: `TemplateProcessing`, `single`: [{`Sequence`: {}}, {`SpecialToken`: {`id`: `<|end|>`}}]};"
                        + " null; false; true",
                "{`type`: `Sequence`, `processors`: [{`type`: `ByteLevel`}, {`type`: `TemplateProcessing`, `single`:"
                        + " [{`SpecialToken`: {`id`: `<|start|>`}}, {`Sequence`: {}}]}]}; null; true; false"
            })
    void flagsFollowFromThePostProcessor(String processor, Boolean flag, Boolean bos, Boolean eos) {
        if (processor != null) {
            tokenizer.set("post_processor", json(processor));
        }
        if (flag != null) {
            config.put("add_bos_token", flag);
        }
        Metadata metadata = read(8).metadata();
        assertEquals(bos, bool(metadata, "tokenizer.ggml.add_bos_token"));
        assertEquals(eos, bool(metadata, "tokenizer.ggml.add_eos_token"));
    }

    @Test
    void llamaClassesOverruleThePostProcessor() {
        tokenizer.set("post_processor", json("{`type`: `ByteLevel`}"));
        config.put("add_bos_token", true).put("tokenizer_class", "LlamaTokenizerFast");
        TokenizerMetadata read = read(8);
        assertEquals(true, bool(read.metadata(), "tokenizer.ggml.add_bos_token"));
        assertEquals(
                List.of("tokenizer_config.json says add_bos_token true, the post-processor of tokenizer.json otherwise;"
                        + " the former counts, for transformers' class is Llama's"),
                read.notes());
    }

    @Test
    void aTemplateThatEndsWithAnotherTokenMakesItEosAndKeepsTheTurnsEnd() {
        added().addObject().put("id", 8).put("content", "<|endoftext|>").put("special", true);
        tokenizer.set(
                "post_processor",
                json("{`type`: `TemplateProcessing`, `single`: [{`Sequence`: {}},"
                        + " {`SpecialToken`: {`id`: `<|endoftext|>`}}]}"));
        Metadata metadata = read(9).metadata();
        assertEquals(Optional.of(8L), metadata.integer("tokenizer.ggml.eos_token_id"));
        assertEquals(Optional.of(7L), metadata.integer("tokenizer.ggml.eot_token_id"));
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_eos_token"));
    }

    @Test
    void aSeparatorBetweenTextsIsSeen() {
        config.put("sep_token", "<|end|>");
        tokenizer.set("post_processor", json("""
                {`type`: `TemplateProcessing`,
                 `single`: [{`SpecialToken`: {`id`: `<|start|>`}}, {`Sequence`: {`id`: `A`}}],
                 `pair`: [{`SpecialToken`: {`id`: `<|start|>`}}, {`Sequence`: {`id`: `A`}},
                          {`SpecialToken`: {`id`: `<|end|>`}}, {`Sequence`: {`id`: `B`}}]}
                """));
        Metadata metadata = read(8).metadata();
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_sep_token"));
        assertEquals(Optional.of(7L), metadata.integer("tokenizer.ggml.seperator_token_id"));
    }

    @Test
    void idsComeFromTheFirstFileThatHasThem() {
        config.removeAll();
        TokenizerMetadata read = new Folder()
                .put("tokenizer.json", tokenizer)
                .put("special_tokens_map.json", "{\"unk_token\": {\"content\": \"c\"}}")
                .put("config.json", "{\"bos_token_id\": 6, \"eos_token_id\": null, \"pad_token_id\": -1}")
                .put("generation_config.json", "{\"bos_token_id\": 3, \"eos_token_id\": [7, 5], \"pad_token_id\": 99}")
                .read(8);
        Metadata metadata = read.metadata();
        assertEquals(Optional.of(2L), metadata.integer("tokenizer.ggml.unknown_token_id"));
        assertEquals(Optional.of(6L), metadata.integer("tokenizer.ggml.bos_token_id"));
        assertEquals(Optional.of(7L), metadata.integer("tokenizer.ggml.eos_token_id"));
        assertFalse(metadata.contains("tokenizer.ggml.padding_token_id"));
        assertEquals(
                List.of(
                        "pad_token_id -1 of config.json is not one of the 8 rows of the embedding and is left out",
                        "pad_token_id 99 of generation_config.json is not one of the 8 rows of the embedding and is"
                                + " left out"),
                read.notes());
    }

    @Test
    void aMissingEndIsSaid() {
        config.remove("eos_token");
        assertEquals(
                List.of("no end-of-sequence token is named; llama.cpp will take its default id for one"),
                read(8).notes());
        assertNull(read(8).metadata().asMap().get("tokenizer.ggml.eos_token_id"));
    }

    @Test
    void docsLmIsLlamaBpeByItsPattern() throws IOException {
        Folder folder = new Folder();
        for (String file :
                List.of("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json")) {
            folder.put(file, resource(file));
        }
        TokenizerMetadata read = TokenizerMetadata.read(folder.files(), 4096, null);
        assertEquals(
                Optional.of(new PreTokenizer("llama-bpe", "it cuts text by the pattern of llama-bpe")),
                read.preTokenizer());
        assertEquals(List.of(), read.notes());
        Metadata metadata = read.metadata();
        JsonNode root = Folder.JSON.readTree(resource("tokenizer.json"));
        List<String> tokens = strings(metadata, "tokenizer.ggml.tokens");
        root.at("/model/vocab")
                .properties()
                .forEach(entry ->
                        assertEquals(entry.getKey(), tokens.get(entry.getValue().intValue())));
        List<String> merges = strings(metadata, "tokenizer.ggml.merges");
        JsonNode pairs = root.at("/model/merges");
        assertEquals(pairs.size(), merges.size());
        for (int i = 0; i < merges.size(); i++) {
            JsonNode pair = pairs.get(i);
            assertEquals(pair.get(0).textValue() + ' ' + pair.get(1).textValue(), merges.get(i));
        }
        assertEquals(4096, tokens.size());
        assertEquals(List.of(3, 3), types(metadata).subList(4094, 4096));
        assertEquals(Optional.of(4094L), metadata.integer("tokenizer.ggml.bos_token_id"));
        assertEquals(Optional.of(4095L), metadata.integer("tokenizer.ggml.eos_token_id"));
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_bos_token"));
    }

    private static byte[] resource(String file) throws IOException {
        try (InputStream in = ByteLevelTokenizerTest.class.getResourceAsStream("/models/docs-lm/" + file)) {
            return in.readAllBytes();
        }
    }
}
