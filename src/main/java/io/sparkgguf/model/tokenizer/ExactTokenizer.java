package io.sparkgguf.model.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.util.Utils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * The tokenizer of Hugging Face itself (its Rust library, through DJL), and the digest by which llama.cpp's converter
 * tells pre-tokenizers apart: the SHA-256 of the ids of one fixed text, written as Python writes a list.
 *
 * <p>Native code: where it cannot be loaded, {@link #digests} fails and the caller goes by structure. Nothing is
 * downloaded and nobody is called.
 */
final class ExactTokenizer {
    private static final Map<String, String> OPTIONS = Map.of("truncation", "false", "padding", "false");

    private ExactTokenizer() {}

    /**
     * Digests of the test text: with {@code first} before it, with the special tokens that the tokenizer adds, with
     * none.
     *
     * @param first id that is put before text, or null
     * @throws IOException when the native library cannot be loaded or does not accept the tokenizer
     */
    static List<String> digests(byte[] tokenizerJson, Integer first) throws IOException {
        String text = testText();
        try (HuggingFaceTokenizer tokenizer = load(tokenizerJson)) {
            long[] plain = tokenizer.encode(text, false, false).getIds();
            long[] begun = LongStream.concat(
                            first == null ? LongStream.empty() : LongStream.of(first), LongStream.of(plain))
                    .toArray();
            return List.of(
                    digest(begun), digest(tokenizer.encode(text, true, false).getIds()), digest(plain));
        } catch (LinkageError | RuntimeException e) {
            throw failure(e);
        }
    }

    /**
     * The library's tokenizer, which cuts off nothing and pads nothing whatever the file says; to be closed.
     *
     * @throws IOException when the native library cannot be loaded or does not accept the tokenizer
     */
    static HuggingFaceTokenizer load(byte[] tokenizerJson) throws IOException {
        Path own = prepare();
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(tokenizerJson), OPTIONS);
        } catch (LinkageError | RuntimeException e) {
            throw failure(e);
        } finally {
            delete(own);
        }
    }

    /** What a native library throws is not ours to list; each of them means the same: it cannot answer. */
    static IOException failure(Throwable e) {
        return new IOException(e.getClass().getSimpleName() + ": " + e.getMessage(), e);
    }

    static String testText() {
        return new String(Resources.bytes("pre-tokenizer-test-text.txt"), StandardCharsets.UTF_8);
    }

    static String digest(long[] ids) {
        try {
            byte[] list = Arrays.toString(ids).getBytes(StandardCharsets.US_ASCII);
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(list));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Tells DJL to stay offline, and gives it a folder for its library where the home folder is not to be written to.
     * DJL itself would take one in the common temporary folder, where anyone may have left a library to be loaded.
     *
     * @return the folder made, to be deleted when the library is loaded; null when none was needed
     */
    private static synchronized Path prepare() throws IOException {
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
        if (isSet("ENGINE_CACHE_DIR") || isSet("DJL_CACHE_DIR") || isUsable(Path.of(System.getProperty("user.home")))) {
            return null;
        }
        Path own = Files.createTempDirectory("tokenizers");
        System.setProperty("ENGINE_CACHE_DIR", own.toString());
        return own;
    }

    private static boolean isSet(String name) {
        String value = Utils.getEnvOrSystemProperty(name);
        return value != null && !value.isEmpty();
    }

    private static boolean isUsable(Path home) {
        Path cache = home.resolve(".djl.ai");
        return Files.isWritable(Files.exists(cache) ? cache : home);
    }

    private static void delete(Path folder) throws IOException {
        if (folder == null) {
            return;
        }
        System.clearProperty("ENGINE_CACHE_DIR");
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                // Windows keeps a loaded library in place until the process ends.
                if (!path.toFile().delete()) {
                    path.toFile().deleteOnExit();
                }
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }
}
