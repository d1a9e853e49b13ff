package io.sparkgguf.model.tokenizer;

import static io.sparkgguf.model.tokenizer.Folder.bool;
import static io.sparkgguf.model.tokenizer.Folder.byteFallback;
import static io.sparkgguf.model.tokenizer.Folder.json;
import static io.sparkgguf.model.tokenizer.Folder.numbers;
import static io.sparkgguf.model.tokenizer.Folder.strings;
import static io.sparkgguf.model.tokenizer.Folder.types;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.Metadata;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SentencePieceJsonTest {
    private static final String CONFIG =
            "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"tokenizer_class\": \"LlamaTokenizer\"}";

    private static TokenizerMetadata read(ObjectNode tokenizer, int rows) {
        return new Folder()
                .put("tokenizer.json", tokenizer)
                .put("tokenizer_config.json", CONFIG)
                .read(rows);
    }

    @Test
    void mergesBecomeScoresInTheirOrder() {
        TokenizerMetadata read = read(byteFallback(), 268);
        Metadata metadata = read.metadata();
        assertEquals(Optional.of("llama"), metadata.string("tokenizer.ggml.model"));
        assertEquals(Optional.of("default"), metadata.string("tokenizer.ggml.pre"));
        List<String> tokens = strings(metadata, "tokenizer.ggml.tokens");
        assertEquals("<0x0A>", tokens.get(13));
        assertEquals(List.of("▁", "a", "b", "c", "▁a", "ab", "▁ab", "abc", "[PAD267]"), tokens.subList(259, 268));
        List<Integer> types = types(metadata);
        assertEquals(List.of(3, 3, 3, 6), types.subList(0, 4));
        assertEquals(List.of(1, 1, 1, 1, 1, 1, 1, 1, 5), types.subList(259, 268));
        // ab is made first, then ▁ab (in two ways), ▁a, abc; letters are made by none and come last.
        double[] scores = {-5, -5, -5, -5, -3, -1, -2, -4, -10000};
        for (int i = 0; i < scores.length; i++) {
            assertEquals(scores[i], numbers(metadata, "tokenizer.ggml.scores").real(259 + i), tokens.get(259 + i));
        }
        assertEquals(0, numbers(metadata, "tokenizer.ggml.scores").real(13));
        assertEquals(-1000, numbers(metadata, "tokenizer.ggml.scores").real(1));
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_space_prefix"));
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_bos_token"), "the Llama class adds bos by itself");
        assertEquals(List.of(), read.notes());
    }

    @Test
    void tokensThatCouldBeMadeOtherwiseAreCounted() {
        ObjectNode tokenizer = byteFallback();
        ((ArrayNode) tokenizer.at("/model/merges")).remove(2);
        assertEquals(
                List.of("1 of 267 tokens can be put together in ways that are no merge of tokenizer.json: llama.cpp may"
                        + " cut some words otherwise"),
                read(tokenizer, 267).notes(),
                "▁a + b is no merge any more");
        ObjectNode apart = byteFallback();
        ArrayNode merges = (ArrayNode) apart.at("/model/merges");
        merges.insert(4, merges.remove(1));
        assertTrue(
                read(apart, 267).notes().get(0).startsWith("1 of 267 tokens"),
                "the merges of ▁ab no longer stand together");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{`type`: `Metaspace`, `replacement`: `▁`, `prepend_scheme`: `always`, `split`: false}; true; 1",
                "{`type`: `Metaspace`, `replacement`: `▁`, `prepend_scheme`: `first`, `split`: false}; true; 2",
                "{`type`: `Metaspace`, `replacement`: `▁`, `prepend_scheme`: `never`, `split`: false}; false; 0",
                "{`type`: `Metaspace`, `replacement`: `▁`, `add_prefix_space`: false}; false; 0",
                "{`type`: `Metaspace`, `replacement`: `▁`, `add_prefix_space`: true}; true; 1",
                "{`type`: `Sequence`, `pretokenizers`: [{`type`: `Digits`},"
                        + " {`type`: `Metaspace`, `prepend_scheme`: `never`}]}; false; 1"
            })
    void theSpaceBeforeTextFollowsFromMetaspace(String preTokenizer, boolean prefix, int notes) {
        ObjectNode tokenizer = byteFallback();
        tokenizer.remove("normalizer");
        tokenizer.set("pre_tokenizer", json(preTokenizer));
        TokenizerMetadata read = read(tokenizer, 267);
        assertEquals(prefix, bool(read.metadata(), "tokenizer.ggml.add_space_prefix"));
        assertEquals(notes, read.notes().size(), read.notes().toString());
    }

    @Test
    void withoutPrependNoSpaceIsPutBeforeText() {
        ObjectNode tokenizer = byteFallback();
        ((ArrayNode) tokenizer.at("/normalizer/normalizers")).remove(0);
        assertEquals(false, bool(read(tokenizer, 267).metadata(), "tokenizer.ggml.add_space_prefix"));
    }

    private static ObjectNode unigram() {
        ObjectNode tokenizer = json("""
                {`added_tokens`: [{`id`: 1, `content`: `</s>`, `special`: true},
                                  {`id`: 5, `content`: `[tool]`, `special`: false}],
                 `normalizer`: {`type`: `Sequence`, `normalizers`: [
                   {`type`: `Precompiled`, `precompiled_charsmap`: ``},
                   {`type`: `Strip`, `strip_left`: false, `strip_right`: true},
                   {`type`: `Replace`, `pattern`: {`Regex`: ` {2,}`}, `content`: `▁`}]},
                 `pre_tokenizer`: {`type`: `Metaspace`, `replacement`: `▁`, `prepend_scheme`: `always`},
                 `model`: {`type`: `Unigram`, `unk_id`: 0,
                   `vocab`: [[`<unk>`, 0.0], [`</s>`, 0.0], [`▁`, -2.25], [`▁ab`, -3.5], [`<0x0A>`, -4]]}}
                """);
        ((ObjectNode) tokenizer.at("/normalizer/normalizers/0"))
                .put("precompiled_charsmap", Base64.getEncoder().encodeToString(new byte[] {4, 0, 0, 0, 9, 9, 9, 9, 0
                }));
        return tokenizer;
    }

    @Test
    void unigramBecomesT5() {
        TokenizerMetadata read = new Folder()
                .put("tokenizer.json", unigram())
                .put("tokenizer_config.json", "{\"eos_token\": \"</s>\", \"unk_token\": \"<unk>\"}")
                .read(7);
        Metadata metadata = read.metadata();
        assertEquals(Optional.of("t5"), metadata.string("tokenizer.ggml.model"));
        assertEquals(
                List.of("<unk>", "</s>", "▁", "▁ab", "<0x0A>", "[tool]", "[PAD6]"),
                strings(metadata, "tokenizer.ggml.tokens"));
        assertEquals(List.of(2, 3, 1, 1, 1, 4, 5), types(metadata));
        assertEquals(-3.5, numbers(metadata, "tokenizer.ggml.scores").real(3));
        assertEquals(-1000, numbers(metadata, "tokenizer.ggml.scores").real(5));
        assertEquals(true, bool(metadata, "tokenizer.ggml.remove_extra_whitespaces"));
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_space_prefix"));
        assertEquals(false, bool(metadata, "tokenizer.ggml.add_eos_token"));
        assertArrayEquals(
                new byte[] {4, 0, 0, 0, 9, 9, 9, 9, 0},
                numbers(metadata, "tokenizer.ggml.precompiled_charsmap").littleEndian());
        assertEquals(Optional.of(0L), metadata.integer("tokenizer.ggml.unknown_token_id"));
        assertEquals(List.of(), read.notes());
    }

    @Test
    void unigramWithByteFallbackReadsNewlines() {
        ObjectNode tokenizer = unigram();
        ((ObjectNode) tokenizer.get("model")).put("byte_fallback", true);
        Metadata metadata =
                new Folder().put("tokenizer.json", tokenizer).read(6).metadata();
        assertEquals("\n", strings(metadata, "tokenizer.ggml.tokens").get(4));
        assertEquals(-13.5, numbers(metadata, "tokenizer.ggml.scores").real(4));
    }

    @Test
    void aByteLevelTokenizerJsonGoesBeforeTokenizerModel() {
        TokenizerMetadata read = new Folder()
                .put("tokenizer.json", Folder.byteLevel())
                .put("tokenizer_config.json", Folder.byteLevelConfig())
                .put("tokenizer.model", "IQ== 0\nIg== 1\n")
                .read(8);
        assertEquals(Optional.of("gpt2"), read.metadata().string("tokenizer.ggml.model"));
        assertEquals(
                List.of("tokenizer.json is byte-level BPE and counts; tokenizer.model was not read"), read.notes());
    }

    @Test
    void tokenizerModelGoesBeforeAnyOtherTokenizerJsonWhichStillNamesAddedTokens() {
        ObjectNode tokenizer = byteFallback();
        ((ArrayNode) tokenizer.get("added_tokens")).addObject().put("id", 3).put("content", "<|turn|>");
        TokenizerMetadata read = new Folder()
                .put("tokenizer.json", tokenizer)
                .put("tokenizer_config.json", CONFIG)
                .put(
                        "tokenizer.model",
                        SentencePieceBuilder.begun()
                                .piece("▁lone", -1, SentencePieceBuilder.NORMAL)
                                .trainer(2, true)
                                .normalizer(new byte[0], true, false)
                                .bytes())
                .read(300);
        assertEquals(
                List.of("<unk>", "<s>", "</s>", "<|turn|>", "[PAD4]"),
                strings(read.metadata(), "tokenizer.ggml.tokens").subList(0, 5));
        assertEquals(List.of(3, 3, 3, 3, 5), types(read.metadata()).subList(0, 5));
        assertEquals(true, bool(read.metadata(), "tokenizer.ggml.add_bos_token"));
    }
}
