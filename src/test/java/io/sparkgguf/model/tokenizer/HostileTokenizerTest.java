package io.sparkgguf.model.tokenizer;

import static io.sparkgguf.model.tokenizer.Folder.byteFallback;
import static io.sparkgguf.model.tokenizer.Folder.byteLevel;
import static io.sparkgguf.model.tokenizer.Folder.byteLevelConfig;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that are damaged or contradict themselves: one clear line each. */
class HostileTokenizerTest {

    private static String refusal(Folder folder, int rows) {
        String message = assertThrows(InvalidInputException.class, () -> folder.read(rows))
                .getMessage();
        assertFalse(message.contains("\n"), message);
        return message;
    }

    private static Folder byteLevelFolder(ObjectNode tokenizer) {
        return new Folder().put("tokenizer.json", tokenizer).put("tokenizer_config.json", byteLevelConfig());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "/model; vocab; `many`; model.vocab is no object",
                "/model; merges; `many`; model.merges is no list",
                "/model; merges; []; it has no merges, without which llama.cpp loads no BPE",
                "/model; merges; [`a b`, `a d`]; merge 1 names \"d\", which is no token",
                "/model; merges; [`b c`]; merge 0 names \"bc\", which is no token",
                "/model; merges; [[`a`, `b`, `c`]]; merge 0 is not a pair of tokens: \"[\"a\",\"b\",\"c\"]\"",
                "/model; merges; [`a b c`]; merge 0 is not a pair of tokens: \"\"a b c\"\"",
                "/model; merges; [` ab`]; merge 0 is not a pair of tokens: \"\" ab\"\"",
                "/model; merges; [[``, `a`]]; merge 0 is not a pair of tokens: \"[\"\",\"a\"]\"",
                "/model; merges; [7]; merge 0 is not a pair of tokens: \"7\"",
                "/model; type; `WordPiece`; its model is \"WordPiece\", not BPE or Unigram",
                "/model; end_of_word_suffix; `</w>`; model.end_of_word_suffix is \"</w>\", for which llama.cpp has no"
                        + " tokenizer",
                "/model/vocab; d; -1; token \"d\" has the id -1",
                "/model/vocab; d; 1.5; token \"d\" has the id 1.5",
                "/model/vocab; d; `8`; token \"d\" has the id \"8\"",
                "/model/vocab; d; 4294967296; token \"d\" has the id 4294967296",
                "/model/vocab; d; 2147483647; token \"d\" has the id 2147483647, but the embedding has 8 rows",
                "/model/vocab; d; 8; token \"d\" has the id 8, but the embedding has 8 rows",
                "/model/vocab; d; 3; the id 3 is given to both \"Ġ\" and \"d\"",
                "/model/vocab; d; 6; the id 6 is given to both \"d\" and \"<|start|>\"",
                "/added_tokens/0; id; 8; token \"<|start|>\" has the id 8, but the embedding has 8 rows",
                "/added_tokens/0; id; -6; token \"<|start|>\" has the id -6",
                "/added_tokens/0; id; 7; the id 7 is given to both \"<|start|>\" and \"<|end|>\"",
                "/added_tokens/0; content; 6; the content of an added token is 6, not text",
                "/added_tokens/0; content; `<|end|>`; token \"<|end|>\" has the ids 6 and 7",
                "/added_tokens/0; content; `ab`; token \"ab\" has the ids 4 and 6",
                "/added_tokens/0; content; null; the content of an added token is null, not text",
                "; added_tokens; {}; added_tokens is no list",
                "; model; []; it has no model",
                "; model; null; it has no model"
            })
    void tokenizerJsonIsChecked(String at, String key, String value, String reason) throws IOException {
        ObjectNode tokenizer = byteLevel();
        JsonNode replaced = Folder.JSON.readTree(value.replace('`', '"'));
        ((ObjectNode) (at == null ? tokenizer : tokenizer.at(at))).set(key, replaced);
        String expected = "Cannot use tokenizer.json: " + reason;
        assertEquals(expected, refusal(byteLevelFolder(tokenizer), 8));
    }

    @Test
    void textThatIsNoUnicodeIsRefused() {
        byte[] file =
                byteLevel().toString().replace("\"abc\":5", "\"ab\\ud800c\":5").getBytes(StandardCharsets.UTF_8);
        assertTrue(new String(file, StandardCharsets.UTF_8).contains("\\ud800"));
        Folder folder = byteLevelFolder(byteLevel()).put("tokenizer.json", file);
        assertEquals(
                "Cannot use tokenizer.json: the token of id 5 holds half a surrogate pair, which is no text",
                refusal(folder, 8));
    }

    @Test
    void twoRowsOfOneTextAreRefused() {
        ObjectNode tokenizer = byteLevel();
        tokenizer.withArray("added_tokens").addObject().put("id", 8).put("content", "[PAD9]");
        assertEquals(
                "Cannot use tokenizer.json: tokens 8 and 9 are both \"[PAD9]\"",
                refusal(byteLevelFolder(tokenizer), 10));
        // llama.cpp reads texts up to a NUL.
        ((ObjectNode) tokenizer.at("/added_tokens/2")).put("content", "ab\0c");
        assertEquals(
                "Cannot use tokenizer.json: tokens 4 and 8 are both \"ab\\u0000c\"",
                refusal(byteLevelFolder(tokenizer), 10));
    }

    @Test
    void aSmallerEmbeddingIsRefused() {
        assertEquals(
                "Cannot use tokenizer.json: token \"<|end|>\" has the id 7, but the embedding has 7 rows",
                refusal(byteLevelFolder(byteLevel()), 7));
        byte[] model = SentencePieceBuilder.begun()
                .trainer(2, true)
                .normalizer(new byte[0], true, false)
                .bytes();
        assertEquals(
                "Cannot use tokenizer.model: token \"</s>\" has the id 2, but the embedding has 2 rows",
                refusal(new Folder().put("tokenizer.model", model), 2));
        assertEquals(
                "Cannot use tokenizer.model: token \"<pad>\" has the id 3, but the embedding has 3 rows",
                refusal(new Folder().put("tokenizer.model", model).put("added_tokens.json", "{\"<pad>\": 3}"), 3));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MAX_VALUE})
    void anEmbeddingOfNoSizeIsRefused(int rows) {
        assertEquals(
                "Cannot use the tokenizer: the embedding has " + rows + " rows, not 1 to 16777216",
                refusal(byteLevelFolder(byteLevel()), rows));
    }

    @Test
    void aFolderWithoutTokenizerIsRefused() {
        assertEquals(
                "Cannot read the tokenizer: the folder has neither tokenizer.json nor tokenizer.model",
                refusal(new Folder().put("config.json", "{}"), 8));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "tokenizer.json; ``; it holds no JSON object",
                "tokenizer.json; `[]`; it holds no JSON object",
                "tokenizer_config.json; `{`; not valid JSON at line 1, column 2: Unexpected end-of-input",
                "config.json; `{} {}`; not valid JSON at line 1, column 4: Trailing token",
                "generation_config.json; `{\"a\": NaN}`; not valid JSON at line 1, column 10: Non-standard token 'NaN'",
                "special_tokens_map.json; `{\"a\": 1, \"a\": 2}`; not valid JSON at line 1, column 13: Duplicate field",
                "tokenizer_config.json; `{\"chat_template\": 7}`; chat_template is neither text nor a list",
                "tokenizer_config.json; `{\"chat_template\": [{\"name\": \"x\"}]}`; the chat template \"x\" is missing,"
                        + " not text",
                "tokenizer_config.json; `{\"chat_template\": [{}]}`; the name of a chat template is missing, not text",
                "tokenizer_config.json; `{\"added_tokens_decoder\": {\"-1\": {\"content\": \"x\"}}}`; token \"x\" has"
                        + " the id \"-1\"",
                "tokenizer_config.json; `{\"added_tokens_decoder\": {\"1\": {}}}`; the content of added token 1 is"
                        + " missing, not text",
                "tokenizer_config.json; `{\"add_bos_token\": true}`; a bos token is to be added to text, but no"
                        + " bos_token of the vocabulary is named"
            })
    void otherFilesAreChecked(String file, String content, String reason) {
        Folder folder = byteLevelFolder(byteLevel()).put(file, content.substring(1, content.length() - 1));
        String message = refusal(folder, 8);
        assertTrue(message.startsWith("Cannot use " + file + ": " + reason), message);
    }

    @Test
    void bombsOfDepthAndCountAreRefused() {
        String deep = "{\"a\":" + "[".repeat(100_000);
        assertTrue(
                refusal(new Folder().put("tokenizer.json", deep), 8)
                        .equals("Cannot use tokenizer.json: not valid JSON: Document nesting depth (65) exceeds the"
                                + " maximum allowed (64)"),
                refusal(new Folder().put("tokenizer.json", deep), 8));
        byte[] wide = new byte[30_000_000];
        System.arraycopy("{\"a\":[".getBytes(StandardCharsets.US_ASCII), 0, wide, 0, 6);
        for (int i = 6; i + 1 < wide.length; i += 2) {
            wide[i] = '0';
            wide[i + 1] = ',';
        }
        String message = refusal(new Folder().put("tokenizer.json", wide), 8);
        assertTrue(message.contains("Token count (10000001) exceeds the maximum allowed (10000000"), message);
    }

    @Test
    void invalidUtf8IsRefused() {
        byte[] file = byteLevel().toString().getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < file.length; i++) {
            if ((file[i] & 0xFF) == 0xC4) {
                file[i] = (byte) 0xFF;
            }
        }
        assertEquals(
                "Cannot use tokenizer.json: not UTF-8",
                refusal(byteLevelFolder(byteLevel()).put("tokenizer.json", file), 8));
        assertEquals(
                "Cannot use chat_template.jinja: not UTF-8",
                refusal(byteLevelFolder(byteLevel()).put("chat_template.jinja", new byte[] {(byte) 0xC0, 'a'}), 8));
    }

    @Test
    void byteFallbackNeedsAllBytesAndEscapedSpaces() {
        ObjectNode holed = byteFallback();
        ((ObjectNode) holed.at("/model/vocab")).remove("<0x7F>");
        assertEquals(
                "Cannot use tokenizer.json: it falls back on bytes, but the token <0x7F> is missing",
                refusal(new Folder().put("tokenizer.json", holed), 267));
        ObjectNode plain = byteFallback();
        ((ObjectNode) plain.get("model")).put("byte_fallback", false);
        assertEquals(
                "Cannot use tokenizer.json: its BPE is neither byte-level nor of SentencePiece's kind (no byte"
                        + " fallback), for which llama.cpp has no tokenizer",
                refusal(new Folder().put("tokenizer.json", plain), 267));
        ObjectNode spaced = byteFallback();
        spaced.remove("normalizer");
        assertEquals(
                "Cannot use tokenizer.json: its BPE is neither byte-level nor of SentencePiece's kind (spaces do not"
                        + " become U+2581), for which llama.cpp has no tokenizer",
                refusal(new Folder().put("tokenizer.json", spaced), 267));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{}; model.vocab is no list",
                "[[`a`, -1], [`a`, -2]]; tokens 0 and 1 are both \"a\"",
                "[[`a`]]; token 0 is not a pair of text and score: \"[\"a\"]\"",
                "[[`a`, `b`]]; token 0 is not a pair of text and score: \"[\"a\",\"b\"]\"",
                "[[`a`, 1e999], [`b`, -1]]; token \"a\" has the score Infinity",
                "[[`a`, -1e39], [`b`, -1]]; token \"a\" has the score -Infinity",
                "[[`a`, -1]]; its unk_id is none of its 1 tokens"
            })
    void unigramIsChecked(String vocabulary, String reason) {
        String tokenizer =
                ("{`pre_tokenizer`: {`type`: `Metaspace`}, `model`: {`type`: `Unigram`, `unk_id`: 1, `vocab`: "
                                + vocabulary + "}}")
                        .replace('`', '"');
        assertEquals("Cannot use tokenizer.json: " + reason, refusal(new Folder().put("tokenizer.json", tokenizer), 8));
    }

    @Test
    void aCharsmapThatIsNoneIsRefused() {
        byte[] model = SentencePieceBuilder.begun()
                .trainer(1, false)
                .normalizer(new byte[] {99, 0, 0, 0, 0}, true, false)
                .bytes();
        assertEquals(
                "Cannot use tokenizer.model: its precompiled_charsmap of 5 bytes says that its trie has 99",
                refusal(new Folder().put("tokenizer.model", model), 3));
    }

    @ParameterizedTest
    @CsvSource({
        "NaN, 1, 2, token \"x\" has the score NaN",
        "-Infinity, 1, 2, token \"x\" has the score -Infinity",
        "0, 9, 2, piece 3 is of type 9; known are 1 to 6",
        "0, 1, 4, its model is of type 4; known are 1 (Unigram) and 2 (BPE)"
    })
    void tokenizerModelIsChecked(float score, int type, int model, String reason) {
        byte[] bytes = SentencePieceBuilder.begun()
                .piece("x", score, type)
                .trainer(model, true)
                .normalizer(new byte[0], true, false)
                .bytes();
        assertEquals("Cannot use tokenizer.model: " + reason, refusal(new Folder().put("tokenizer.model", bytes), 4));
    }

    @Test
    void aModelWithoutUnknownOrOfUnknownKindIsRefused() {
        byte[] unknown = new SentencePieceBuilder()
                .piece("x", 0, SentencePieceBuilder.NORMAL)
                .trainer(2, true)
                .normalizer(new byte[0], true, false)
                .bytes();
        assertEquals(
                "Cannot use tokenizer.model: none of its 1 pieces is the unknown token",
                refusal(new Folder().put("tokenizer.model", unknown), 1));
        byte[] suffix = SentencePieceBuilder.begun()
                .field(2, trainer -> trainer.writeBool(24, true))
                .normalizer(new byte[0], true, false)
                .bytes();
        assertEquals(
                "Cannot use tokenizer.model: it ends words with their space, which llama.cpp does only for T5",
                refusal(new Folder().put("tokenizer.model", suffix), 3));
        byte[] spaces = SentencePieceBuilder.begun()
                .trainer(2, true)
                .field(3, normalizer -> normalizer.writeBool(5, false))
                .bytes();
        assertEquals(
                "Cannot use tokenizer.model: its pieces hold plain spaces, for which llama.cpp has no tokenizer",
                refusal(new Folder().put("tokenizer.model", spaces), 3));
        byte[] latin = SentencePieceBuilder.begun()
                .field(1, piece -> piece.writeByteArray(1, new byte[] {(byte) 0xE9}))
                .bytes();
        assertEquals(
                "Cannot use tokenizer.model: piece 3 is not UTF-8",
                refusal(new Folder().put("tokenizer.model", latin), 4));
    }

    /** Bytes of a tokenizer.json changed at random bring no other error than ours. */
    @Test
    void damageAnywhereBringsOneLine() {
        long seed = 20261123;
        Random random = new Random(seed);
        byte[] whole = byteLevel().toString().getBytes(StandardCharsets.UTF_8);
        for (int trial = 0; trial < 2000; trial++) {
            byte[] damaged = whole.clone();
            int at = random.nextInt(damaged.length);
            damaged[at] = (byte) random.nextInt(256);
            Folder folder = byteLevelFolder(byteLevel()).put("tokenizer.json", damaged);
            try {
                folder.read(8);
            } catch (InvalidInputException e) {
                assertTrue(
                        e.getMessage().startsWith("Cannot ") && !e.getMessage().contains("\n"),
                        "seed " + seed + ", byte " + at + ": " + e.getMessage());
            }
        }
    }
}
