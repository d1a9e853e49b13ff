package io.sparkgguf.model.tokenizer;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The files of a checkpoint's folder that say something of its tokenizer, as bytes.
 *
 * @param files by name within the folder, '/' between folders; what is absent is not in it; the arrays are not copied
 */
public record TokenizerFiles(Map<String, byte[]> files) {
    static final String TOKENIZER_JSON = "tokenizer.json";
    static final String TOKENIZER_CONFIG = "tokenizer_config.json";
    static final String TOKENIZER_MODEL = "tokenizer.model";
    static final String ADDED_TOKENS = "added_tokens.json";
    static final String SPECIAL_TOKENS_MAP = "special_tokens_map.json";
    static final String CHAT_TEMPLATE_JINJA = "chat_template.jinja";
    static final String CHAT_TEMPLATE_JSON = "chat_template.json";
    static final String ADDITIONAL_TEMPLATES = "additional_chat_templates";
    static final String CONFIG = "config.json";
    static final String GENERATION_CONFIG = "generation_config.json";

    private static final int MIB = 1 << 20;
    private static final int MAX_ADDITIONAL_TEMPLATES = 64;

    /** Bytes that each file may have; the largest tokenizers known are a quarter of it. */
    private static final Map<String, Integer> LIMITS = limits();

    public TokenizerFiles {
        files = Map.copyOf(files);
    }

    /**
     * Reads what there is of them in {@code folder}.
     *
     * @throws InvalidInputException when a file is larger than any tokenizer needs
     */
    public static TokenizerFiles read(Storage storage, String folder) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        for (Map.Entry<String, Integer> limit : LIMITS.entrySet()) {
            String file = storage.resolve(folder, limit.getKey());
            if (storage.exists(file)) {
                files.put(limit.getKey(), bytes(storage, limit.getKey(), file, limit.getValue()));
            }
        }
        readAdditionalTemplates(storage, folder, files);
        return new TokenizerFiles(files);
    }

    private static void readAdditionalTemplates(Storage storage, String folder, Map<String, byte[]> files)
            throws IOException {
        String templates = storage.resolve(folder, ADDITIONAL_TEMPLATES);
        if (!storage.exists(templates)) {
            return;
        }
        int count = 0;
        for (Storage.FileStatus status : storage.list(templates)) {
            if (status.folder() || !status.fileName().endsWith(".jinja")) {
                continue;
            }
            if (++count > MAX_ADDITIONAL_TEMPLATES) {
                throw new InvalidInputException("Cannot use " + ADDITIONAL_TEMPLATES + ": more than "
                        + MAX_ADDITIONAL_TEMPLATES + " templates");
            }
            String name = ADDITIONAL_TEMPLATES + '/' + status.fileName();
            files.put(name, bytes(storage, name, status.file(), MIB));
        }
    }

    private static byte[] bytes(Storage storage, String name, String file, int limit) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            if (reader.length() > limit) {
                throw new InvalidInputException("Cannot use " + name + ": it has " + reader.length()
                        + " bytes, more than the limit of " + limit);
            }
            byte[] bytes = new byte[(int) reader.length()];
            reader.readFully(0, bytes, 0, bytes.length);
            return bytes;
        }
    }

    /** The names of the files that are read where they are there, in the folder itself. */
    public static Set<String> names() {
        return Collections.unmodifiableSet(LIMITS.keySet());
    }

    Optional<byte[]> get(String name) {
        return Optional.ofNullable(files.get(name));
    }

    private static Map<String, Integer> limits() {
        Map<String, Integer> limits = new LinkedHashMap<>();
        limits.put(TOKENIZER_JSON, 128 * MIB);
        limits.put(TOKENIZER_MODEL, 64 * MIB);
        limits.put(TOKENIZER_CONFIG, 16 * MIB);
        limits.put(ADDED_TOKENS, 16 * MIB);
        limits.put(SPECIAL_TOKENS_MAP, MIB);
        limits.put(CHAT_TEMPLATE_JINJA, MIB);
        limits.put(CHAT_TEMPLATE_JSON, MIB);
        limits.put(CONFIG, 16 * MIB);
        limits.put(GENERATION_CONFIG, MIB);
        return limits;
    }
}
