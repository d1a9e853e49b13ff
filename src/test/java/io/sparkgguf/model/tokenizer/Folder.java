package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A folder of tokenizer files, built in memory. */
final class Folder {
    static final ObjectMapper JSON = new ObjectMapper();
    static final String LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** Stands for a tokenizers library that knows nothing of this tokenizer. */
    static final PreTokenizerFinder.Digester NO_DIGEST = (json, first) -> List.of("0".repeat(64));

    private final Map<String, byte[]> files = new LinkedHashMap<>();

    Folder put(String file, String content) {
        return put(file, content.getBytes(StandardCharsets.UTF_8));
    }

    Folder put(String file, byte[] content) {
        files.put(file, content);
        return this;
    }

    Folder put(String file, ObjectNode content) {
        try {
            return put(file, JSON.writeValueAsBytes(content));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    TokenizerFiles files() {
        return new TokenizerFiles(files);
    }

    TokenizerMetadata read(int rows) {
        return TokenizerMetadata.read(files(), rows, null, NO_DIGEST);
    }

    static ObjectNode json(String text) {
        try {
            return (ObjectNode) JSON.readTree(text.replace('`', '"'));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * A byte-level BPE as Llama 3's: tokens a, b, c, the letter Ġ that stands for a space, ab, abc (ids 0 to 5), and
     * the added special tokens {@code <|start|>} (6) and {@code <|end|>} (7).
     */
    static ObjectNode byteLevel() {
        ObjectNode root = json("""
                {`added_tokens`: [
                   {`id`: 6, `content`: `<|start|>`, `special`: true},
                   {`id`: 7, `content`: `<|end|>`, `special`: true}],
                 `pre_tokenizer`: {`type`: `Sequence`, `pretokenizers`: [
                   {`type`: `Split`, `pattern`: {`Regex`: ``}, `behavior`: `Isolated`, `invert`: false},
                   {`type`: `ByteLevel`, `add_prefix_space`: false, `trim_offsets`: true, `use_regex`: false}]},
                 `model`: {`type`: `BPE`, `ignore_merges`: true,
                   `vocab`: {`a`: 0, `b`: 1, `c`: 2, `Ġ`: 3, `ab`: 4, `abc`: 5},
                   `merges`: [`a b`, `ab c`]}}
                """);
        ((ObjectNode) root.at("/pre_tokenizer/pretokenizers/0/pattern")).put("Regex", LLAMA3);
        return root;
    }

    /** The names of the special tokens of {@link #byteLevel}. */
    static ObjectNode byteLevelConfig() {
        return json("{`bos_token`: `<|start|>`, `eos_token`: {`content`: `<|end|>`, `special`: true}}");
    }

    /**
     * A BPE with byte fallback as Llama 2's: {@code <unk>}, {@code <s>}, {@code </s>}, 256 bytes, then "▁", a, b, c,
     * "▁a", ab, "▁ab", abc (ids 259 to 266).
     */
    static ObjectNode byteFallback() {
        ObjectNode root = json("""
                {`added_tokens`: [
                   {`id`: 0, `content`: `<unk>`, `special`: true},
                   {`id`: 1, `content`: `<s>`, `special`: true},
                   {`id`: 2, `content`: `</s>`, `special`: true}],
                 `normalizer`: {`type`: `Sequence`, `normalizers`: [
                   {`type`: `Prepend`, `prepend`: `▁`},
                   {`type`: `Replace`, `pattern`: {`String`: ` `}, `content`: `▁`}]},
                 `model`: {`type`: `BPE`, `unk_token`: `<unk>`, `byte_fallback`: true, `vocab`: {},
                   `merges`: [[`a`, `b`], [`▁`, `ab`], [`▁a`, `b`], [`▁`, `a`], [`ab`, `c`]]}}
                """);
        ObjectNode vocabulary = (ObjectNode) root.at("/model/vocab");
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (int value = 0; value < 256; value++) {
            tokens.add(String.format("<0x%02X>", value));
        }
        tokens.addAll(List.of("▁", "a", "b", "c", "▁a", "ab", "▁ab", "abc"));
        tokens.forEach(token -> vocabulary.put(token, vocabulary.size()));
        return root;
    }

    static ArrayNode array(Object... values) {
        return JSON.valueToTree(values);
    }

    static List<String> strings(Metadata metadata, String key) {
        MetadataValue.Strings strings =
                (MetadataValue.Strings) metadata.get(key).orElseThrow();
        List<String> list = new ArrayList<>();
        for (int i = 0; i < strings.count(); i++) {
            list.add(strings.get(i));
        }
        return list;
    }

    static List<Integer> types(Metadata metadata) {
        MetadataValue.Numbers numbers = numbers(metadata, "tokenizer.ggml.token_type");
        List<Integer> list = new ArrayList<>();
        for (int i = 0; i < numbers.count(); i++) {
            list.add((int) numbers.integer(i));
        }
        return list;
    }

    static MetadataValue.Numbers numbers(Metadata metadata, String key) {
        return (MetadataValue.Numbers) metadata.get(key).orElseThrow();
    }

    static Boolean bool(Metadata metadata, String key) {
        return metadata.get(key)
                .map(value -> ((MetadataValue.Bool) value).value())
                .orElse(null);
    }
}
