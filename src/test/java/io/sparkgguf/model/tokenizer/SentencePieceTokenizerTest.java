package io.sparkgguf.model.tokenizer;

import static io.sparkgguf.model.tokenizer.Folder.bool;
import static io.sparkgguf.model.tokenizer.Folder.numbers;
import static io.sparkgguf.model.tokenizer.Folder.strings;
import static io.sparkgguf.model.tokenizer.Folder.types;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SentencePieceTokenizerTest {
    private static final int UNIGRAM = 1;
    private static final int BPE = 2;
    private static final String CONFIG = "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"unk_token\": \"<unk>\"}";

    /** A charsmap whose trie is one word and whose replacements are one empty string. */
    private static final byte[] CHARSMAP = {4, 0, 0, 0, 1, 2, 3, 4, 0};

    private static Folder folder(SentencePieceBuilder model) {
        return new Folder().put("tokenizer.model", model.bytes()).put("tokenizer_config.json", CONFIG);
    }

    private static SentencePieceBuilder bpe() {
        return SentencePieceBuilder.begun()
                .bytePieces()
                .piece("▁a", -1, SentencePieceBuilder.NORMAL)
                .piece("▁\uD83D\uDE80", -2.5f, SentencePieceBuilder.NORMAL)
                .piece("▁▁", 0, SentencePieceBuilder.USER_DEFINED)
                .piece("gone", -3, SentencePieceBuilder.UNUSED)
                .trainer(BPE, true)
                .normalizer(new byte[0], true, false);
    }

    @Test
    void bpeBecomesLlamaWithScoresAndTypes() {
        TokenizerMetadata read = folder(bpe()).read(265);
        Metadata metadata = read.metadata();
        assertEquals(Optional.of("llama"), metadata.string("tokenizer.ggml.model"));
        assertEquals(Optional.of("default"), metadata.string("tokenizer.ggml.pre"));
        assertEquals(Optional.empty(), read.preTokenizer());
        List<String> tokens = strings(metadata, "tokenizer.ggml.tokens");
        assertEquals(List.of("<unk>", "<s>", "</s>", "<0x00>"), tokens.subList(0, 4));
        assertEquals(List.of("▁a", "▁\uD83D\uDE80", "  ", "gone", "[PAD263]", "[PAD264]"), tokens.subList(259, 265));
        List<Integer> types = types(metadata);
        assertEquals(List.of(2, 3, 3, 6), types.subList(0, 4));
        assertEquals(List.of(1, 1, 4, 5, 5, 5), types.subList(259, 265));
        double[] scores = {-1, -2.5, -1000, -3, -10000, -10000};
        for (int i = 0; i < scores.length; i++) {
            assertEquals(scores[i], numbers(metadata, "tokenizer.ggml.scores").real(259 + i), "token " + (259 + i));
        }
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_space_prefix"));
        assertFalse(metadata.contains("tokenizer.ggml.add_bos_token"), "llama.cpp adds bos to SentencePiece by itself");
        assertEquals(List.of(), read.notes());
    }

    @Test
    void addedTokensOfEveryFileTakeTheirRows() {
        Folder folder = folder(bpe())
                .put("added_tokens.json", "{\"[tool]\": 263, \"<|turn|>\": 264}")
                .put(
                        "tokenizer_config.json",
                        "{\"added_tokens_decoder\": {\"1\": {\"content\": \"<s>\", \"special\": true},"
                                + " \"265\": {\"content\": \"▁wide\"}, \"259\": {\"content\": \"<over>\"}},"
                                + " \"bos_token\": \"<s>\"}");
        Metadata metadata = folder.read(266).metadata();
        assertEquals(
                List.of("<over>", "▁\uD83D\uDE80", "  ", "gone", "[tool]", "<|turn|>", " wide"),
                strings(metadata, "tokenizer.ggml.tokens").subList(259, 266));
        assertEquals(List.of(4, 1, 4, 5, 4, 3, 4), types(metadata).subList(259, 266));
        for (int id : new int[] {1, 259, 263, 264, 265}) {
            assertEquals(-1000.0, numbers(metadata, "tokenizer.ggml.scores").real(id), "token " + id);
        }
    }

    @Test
    void theModelsOwnIdsCountWhereNoFileNamesThem() {
        Metadata metadata =
                new Folder().put("tokenizer.model", bpe().bytes()).read(263).metadata();
        assertEquals(Optional.of(1L), metadata.integer("tokenizer.ggml.bos_token_id"));
        assertEquals(Optional.of(2L), metadata.integer("tokenizer.ggml.eos_token_id"));
        assertEquals(Optional.of(0L), metadata.integer("tokenizer.ggml.unknown_token_id"));
        assertFalse(metadata.contains("tokenizer.ggml.padding_token_id"));
    }

    @ParameterizedTest
    @CsvSource({"true, , true", "false, , false", "true, false, false", "false, true, true"})
    void theConfigurationMayOverruleTheSpaceBeforeText(boolean model, Boolean config, boolean expected) {
        byte[] bytes = SentencePieceBuilder.begun()
                .bytePieces()
                .trainer(BPE, true)
                .normalizer(new byte[0], model, false)
                .bytes();
        Folder folder = new Folder().put("tokenizer.model", bytes);
        folder.put("tokenizer_config.json", "{\"add_prefix_space\": " + config + "}");
        assertEquals(expected, bool(folder.read(259).metadata(), "tokenizer.ggml.add_space_prefix"));
    }

    @Test
    void whatLlamaCppWillNotDoIsSaid() {
        byte[] bytes = SentencePieceBuilder.begun()
                .trainer(BPE, false)
                .normalizer(CHARSMAP, true, true)
                .bytes();
        assertEquals(
                List.of(
                        "tokenizer.model has no byte tokens; llama.cpp fails on characters that are not in it",
                        "tokenizer.model normalizes text or merges spaces, llama.cpp does not"),
                new Folder().put("tokenizer.model", bytes).read(3).notes());
    }

    @Test
    void unigramBecomesT5WithItsNormalization() {
        Metadata metadata = folder(SentencePieceBuilder.begun()
                        .piece("▁a", -1.5f, SentencePieceBuilder.NORMAL)
                        .trainer(UNIGRAM, false)
                        .normalizer(CHARSMAP, true, true))
                .read(5)
                .metadata();
        assertEquals(Optional.of("t5"), metadata.string("tokenizer.ggml.model"));
        assertEquals(List.of(2, 3, 3, 1, 5), types(metadata));
        assertEquals(-1.5, numbers(metadata, "tokenizer.ggml.scores").real(3));
        assertEquals(true, bool(metadata, "tokenizer.ggml.add_space_prefix"));
        assertEquals(true, bool(metadata, "tokenizer.ggml.remove_extra_whitespaces"));
        assertEquals(
                MetadataType.U8,
                numbers(metadata, "tokenizer.ggml.precompiled_charsmap").element());
        assertTrue(Arrays.equals(
                CHARSMAP,
                numbers(metadata, "tokenizer.ggml.precompiled_charsmap").littleEndian()));
        // llama.cpp would end text with eos unless told not to.
        assertEquals(false, bool(metadata, "tokenizer.ggml.add_eos_token"));
        assertEquals(false, bool(metadata, "tokenizer.ggml.add_bos_token"));
    }

    @Test
    void asciiBytesOfUnigramBecomeTheirCharacters() {
        TokenizerMetadata read = folder(SentencePieceBuilder.begun()
                        .bytePieces()
                        .piece("a", -2, SentencePieceBuilder.NORMAL)
                        .piece("▁a", -7, SentencePieceBuilder.NORMAL)
                        .trainer(UNIGRAM, true)
                        .normalizer(new byte[0], true, false))
                .read(261);
        List<String> tokens = strings(read.metadata(), "tokenizer.ggml.tokens");
        List<Integer> types = types(read.metadata());
        for (int value = 0; value < 256; value++) {
            boolean own = value > 0 && value < 128 && value != ' ' && value != 'a';
            String text = own ? Character.toString(value) : String.format("<0x%02X>", value);
            assertEquals(text, tokens.get(3 + value));
            assertEquals(own ? 1 : 6, types.get(3 + value), text);
            // As costly as an unknown character: 10 below the worst token.
            assertEquals(
                    own ? -17 : 0,
                    numbers(read.metadata(), "tokenizer.ggml.scores").real(3 + value),
                    text);
        }
        assertEquals(
                List.of("llama.cpp's Unigram has no byte fallback: characters beyond ASCII that have no token of their"
                        + " own become the unknown token"),
                read.notes());
    }

    @Test
    void aModelCutAnywhereIsRefused() {
        byte[] whole = SentencePieceBuilder.begun()
                .piece("▁a", -1, SentencePieceBuilder.NORMAL)
                .trainer(BPE, true)
                .normalizer(CHARSMAP, true, false)
                .bytes();
        assertEquals(4, SentencePieceModel.parse(whole).pieces().size());
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            String message = assertThrows(
                            InvalidInputException.class,
                            () -> SentencePieceModel.parse(cut),
                            "cut to " + length + " of " + whole.length + " bytes")
                    .getMessage();
            assertTrue(message.startsWith("Cannot use tokenizer.model: ") && message.endsWith("or cut short"), message);
        }
    }

    @Test
    void noByteOfAModelBringsAnotherErrorThanOurs() {
        byte[] whole = bpe().bytes();
        for (int at = 0; at < whole.length; at += at < 200 || at > whole.length - 200 ? 1 : 37) {
            for (int value : new int[] {0, 0x7F, 0x80, 0xFF}) {
                byte[] damaged = whole.clone();
                damaged[at] = (byte) value;
                try {
                    folder(bpe()).put("tokenizer.model", damaged).read(263);
                } catch (InvalidInputException e) {
                    assertTrue(e.getMessage().startsWith("Cannot "), e.getMessage());
                    assertFalse(e.getMessage().contains("\n"), e.getMessage());
                }
            }
        }
    }
}
