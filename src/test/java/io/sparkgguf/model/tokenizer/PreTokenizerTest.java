package io.sparkgguf.model.tokenizer;

import static io.sparkgguf.model.tokenizer.Folder.byteLevel;
import static io.sparkgguf.model.tokenizer.Folder.byteLevelConfig;
import static io.sparkgguf.model.tokenizer.Folder.json;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class PreTokenizerTest {
    private final ObjectNode tokenizer = byteLevel();
    private final ObjectNode config = byteLevelConfig();

    private TokenizerMetadata read(String named, PreTokenizerFinder.Digester digester) {
        Folder folder = new Folder().put("tokenizer.json", tokenizer).put("tokenizer_config.json", config);
        return TokenizerMetadata.read(folder.files(), 8, named, digester);
    }

    private PreTokenizer found() {
        return read(null, Folder.NO_DIGEST).preTokenizer().orElseThrow();
    }

    private String refusal() {
        return assertThrows(InvalidInputException.class, this::found).getMessage();
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void theTestTextIsTheOneThatTheDigestsWereMadeOf() {
        String text = ExactTokenizer.testText();
        assertEquals(350, text.codePointCount(0, text.length()));
        assertEquals(
                "a36179c1e2b1cfcfbfad1dc779addad2ffc778201e4cf0d538bddeafa2c526da",
                sha256(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Without merges that matter, byte-level ids are the bytes of the text, so that the digest can be known. */
    @Test
    void theExactTokenizerDigestsTheIdsOfTheTestText() throws IOException {
        ObjectNode bytes = byteLevel();
        ObjectNode vocabulary = ((ObjectNode) bytes.get("model")).putObject("vocab");
        for (int value = 0; value < 256; value++) {
            vocabulary.put(Character.toString(visible(value)), value);
        }
        vocabulary.put("zz", 256);
        ((ObjectNode) bytes.get("model")).set("merges", Folder.array("z z"));
        bytes.putArray("added_tokens")
                .add(json("{`id`: 257, `content`: `<s>`, `special`: true, `single_word`: false,"
                        + " `lstrip`: false, `rstrip`: false, `normalized`: false}"));
        bytes.set("post_processor", json("""
                {`type`: `TemplateProcessing`, `single`: [{`SpecialToken`: {`id`: `<s>`, `type_id`: 0}},
                   {`Sequence`: {`id`: `A`, `type_id`: 0}}],
                 `pair`: [{`Sequence`: {`id`: `A`, `type_id`: 0}}, {`Sequence`: {`id`: `B`, `type_id`: 0}}],
                 `special_tokens`: {`<s>`: {`id`: `<s>`, `ids`: [257], `tokens`: [`<s>`]}}}
                """));
        bytes.put("version", "1.0");
        List<String> pieces = IntStream.range(0, 431)
                .mapToObj(i -> Integer.toString(ExactTokenizer.testText().getBytes(StandardCharsets.UTF_8)[i] & 0xFF))
                .toList();
        String plain = String.join(", ", pieces);
        assertEquals(
                List.of(
                        sha256(("[7, " + plain + "]").getBytes(StandardCharsets.US_ASCII)),
                        sha256(("[257, " + plain + "]").getBytes(StandardCharsets.US_ASCII)),
                        sha256(("[" + plain + "]").getBytes(StandardCharsets.US_ASCII))),
                ExactTokenizer.digests(Folder.JSON.writeValueAsBytes(bytes), 7));
    }

    /** The alphabet of GPT-2: visible Latin-1 characters stand for themselves, the rest follow from U+0100 on. */
    private static int visible(int value) {
        if (isVisible(value)) {
            return value;
        }
        return 256 + (int) IntStream.range(0, value).filter(v -> !isVisible(v)).count();
    }

    private static boolean isVisible(int value) {
        return value >= '!' && value <= '~' || value >= 0xA1 && value <= 0xFF && value != 0xAD;
    }

    @Test
    void aKnownDigestDecides() {
        tokenizer.remove("normalizer");
        ((ObjectNode) tokenizer.at("/pre_tokenizer/pretokenizers/0/pattern")).put("Regex", "of no one");
        String gpt2 = "3ce83efda5659b07b1ad37ca97ca5797ea4285d9b9ab0dc679e4a720c9da7454";
        TokenizerMetadata read = read(null, (json, first) -> List.of("?", gpt2));
        assertEquals(
                Optional.of(new PreTokenizer("gpt-2", "its digest 3ce83efda565 is that of gpt-2")),
                read.preTokenizer());
        assertEquals(Optional.of("gpt-2"), read.metadata().string("tokenizer.ggml.pre"));
    }

    @Test
    void digestsBeginWithTheTokenThatTextBeginsWith() {
        config.put("add_bos_token", true);
        Integer[] seen = {null};
        read(null, (json, first) -> {
            seen[0] = first;
            return List.of("?");
        });
        assertEquals(6, seen[0]);
    }

    @Test
    void withoutTheLibraryThePatternDecidesAndANoteSaysSo() {
        TokenizerMetadata read = read(null, (json, first) -> {
            throw new IOException("no library\nfor this machine");
        });
        assertEquals("llama-bpe", read.preTokenizer().orElseThrow().id());
        assertEquals(
                List.of("the pre-tokenizer was not looked up by digest, for the tokenizers library cannot be used"
                        + " (no library\\nfor this machine)"),
                read.notes());
    }

    static List<PreTokenizerTable.Entry> entries() {
        return PreTokenizerTable.load().entries();
    }

    @ParameterizedTest
    @MethodSource("entries")
    void everyKnownPatternIsFound(PreTokenizerTable.Entry entry) {
        ArrayNode steps = (ArrayNode) tokenizer.at("/pre_tokenizer/pretokenizers");
        steps.removeAll();
        for (String pattern : entry.steps()) {
            if (pattern.startsWith("punctuation ")) {
                steps.addObject().put("type", "Punctuation").put("behavior", pattern.substring(12));
            } else {
                ObjectNode split = steps.addObject().put("type", "Split").put("behavior", "Isolated");
                split.putObject("pattern").put("Regex", pattern);
            }
        }
        steps.addObject()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("use_regex", false);
        ((ObjectNode) tokenizer.get("model")).put("ignore_merges", entry.ignoresMerges());
        config.put("clean_up_tokenization_spaces", entry.cleansSpaces());
        assertEquals(new PreTokenizer(entry.id(), "it cuts text by the pattern of " + entry.id()), found());
        assertTrue(PreTokenizerTable.load().isKnown(entry.id()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "gpt-2; {`type`: `ByteLevel`, `add_prefix_space`: false, `use_regex`: true}",
                "smollm; {`type`: `Sequence`, `pretokenizers`: [{`type`: `Digits`, `individual_digits`: true},"
                        + " {`type`: `ByteLevel`, `add_prefix_space`: false, `use_regex`: true}]}",
                "falcon; {`type`: `Sequence`, `pretokenizers`: [{`type`: `Punctuation`, `behavior`: `Contiguous`},"
                        + " {`type`: `ByteLevel`, `add_prefix_space`: false, `use_regex`: true},"
                        + " {`type`: `Digits`, `individual_digits`: false},"
                        + " {`type`: `Split`, `pattern`: {`Regex`: `[0-9][0-9][0-9]`}, `behavior`: `Isolated`}]}"
            })
    void patternsWithinStepsAreSeen(String id, String preTokenizer) {
        tokenizer.set("pre_tokenizer", json(preTokenizer));
        ((ObjectNode) tokenizer.get("model")).put("ignore_merges", false);
        assertEquals(id, found().id());
    }

    /** Patterns that cut alike, spelled as tiktoken and as llama.cpp spell them. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*"
                        + "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+; Removed; true",
                "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                        + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+; Isolated; false"
            })
    void otherSpellingsOfAPatternAreTheSame(String pattern, String behavior, boolean invert) {
        ObjectNode split = (ObjectNode) tokenizer.at("/pre_tokenizer/pretokenizers/0");
        split.put("behavior", behavior).put("invert", invert);
        ((ObjectNode) split.get("pattern")).put("Regex", pattern);
        assertEquals("llama-bpe", found().id());
        ((ObjectNode) split.get("pattern"))
                .put("Regex", Folder.LLAMA3.replace("\\r", "\r").replace("\\n", "\n"));
        assertEquals("llama-bpe", found().id());
    }

    @Test
    void mergesThatReachEveryTokenMakeTheLookupOfWordsNoMatter() {
        tokenizer.set("pre_tokenizer", json("{`type`: `ByteLevel`, `add_prefix_space`: false, `use_regex`: true}"));
        assertEquals(
                new PreTokenizer(
                        "gpt-2",
                        "it cuts text by the pattern of gpt-2 (ignore_merges differs, which changes nothing: the merges"
                                + " reach every token)"),
                found());
        ((ObjectNode) tokenizer.get("model")).set("merges", Folder.array("a b"));
        assertTrue(
                refusal()
                        .contains("its pattern is that of gpt-2, but ignore_merges is true and its merges do not reach"
                                + " every token; name"),
                refusal());
    }

    @Test
    void aReachableLengthIsNotEnoughWhenAnotherMergeComesFirst() {
        ((ObjectNode) tokenizer.at("/model/vocab")).put("bc", 6);
        tokenizer.putArray("added_tokens");
        tokenizer.set("pre_tokenizer", json("{`type`: `ByteLevel`, `add_prefix_space`: false, `use_regex`: true}"));
        ((ObjectNode) tokenizer.get("model")).set("merges", Folder.array("b c", "a b", "ab c"));
        config.removeAll();
        assertTrue(refusal().contains("do not reach every token"), "abc becomes a, bc: " + refusal());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "pre_tokenizer; {`type`: `ByteLevel`, `add_prefix_space`: true}; it puts a space before text, which"
                        + " llama.cpp does not do here",
                "normalizer; {`type`: `Lowercase`}; its normalizer is \"Lowercase\", which llama.cpp does not do",
                "pre_tokenizer; {`type`: `Sequence`, `pretokenizers`: [{`type`: `Whitespace`}, {`type`: `ByteLevel`,"
                        + " `add_prefix_space`: false}]}; its step \"Whitespace\" is none that llama.cpp does",
                "pre_tokenizer; {`type`: `Sequence`, `pretokenizers`: [{`type`: `Split`, `pattern`: {`String`: ` `},"
                        + " `behavior`: `Isolated`}, {`type`: `ByteLevel`, `add_prefix_space`: false}]};"
                        + " it splits by the text \"{\"String\":\" \"}\"",
                "pre_tokenizer; {`type`: `Sequence`, `pretokenizers`: [{`type`: `Split`, `pattern`: {`Regex`: `x`},"
                        + " `behavior`: `MergedWithNext`}, {`type`: `ByteLevel`, `add_prefix_space`: false}]};"
                        + " it splits with the behavior \"MergedWithNext\"",
                "pre_tokenizer; {`type`: `Sequence`, `pretokenizers`: [{`type`: `Split`, `pattern`: {`Regex`: `x`},"
                        + " `behavior`: `Isolated`}, {`type`: `ByteLevel`, `add_prefix_space`: false, `use_regex`:"
                        + " false}]}; its pattern is not among those known: \"x\""
            })
    void whatIsUnknownIsRefusedNamingTheOption(String stage, String value, String reason) {
        tokenizer.set(stage, json(value));
        String message = refusal();
        assertTrue(
                message.startsWith("Cannot use tokenizer.json: the pre-tokenizer is unknown (digest " + "0".repeat(64)
                        + "): " + reason + "; name the one that fits with --pre-tokenizer ID; known are a.x-4.0, "),
                message);
        assertTrue(message.contains(" qwen2, "), message);
        assertEquals(
                Optional.of(new PreTokenizer("tekken", "named by the user")),
                read("tekken", Folder.NO_DIGEST).preTokenizer());
    }

    @Test
    void idsWhoseLlamaCppPatternIsNotExactAreNoted() {
        assertEquals(
                List.of("llama.cpp's pattern of this name cuts combining marks off their letters, transformers does"
                        + " not"),
                read("tekken", Folder.NO_DIGEST).notes());
    }

    @Test
    void aNameThatLlamaCppDoesNotKnowIsRefused() {
        String message = assertThrows(InvalidInputException.class, () -> read("qwen3", Folder.NO_DIGEST))
                .getMessage();
        assertTrue(
                message.startsWith("Cannot use the pre-tokenizer \"qwen3\": llama.cpp knows none of this name; known"
                        + " are a.x-4.0, afmoe, "),
                message);
    }

    @Test
    void sentencePieceTakesNoName() {
        Folder folder = new Folder().put("tokenizer.json", Folder.byteFallback());
        assertEquals(
                "Cannot use the pre-tokenizer \"qwen2\": the tokenizer is SentencePiece's, which has none",
                assertThrows(
                                InvalidInputException.class,
                                () -> TokenizerMetadata.read(folder.files(), 267, "qwen2", Folder.NO_DIGEST))
                        .getMessage());
    }
}
