package io.sparkgguf.model.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;

/**
 * Text to token ids, exactly as transformers has them: by the tokenizers library of Hugging Face from a
 * {@code tokenizer.json}. Adds no token of its own, neither at the beginning nor at the end; special tokens that the
 * text spells out become their ids.
 *
 * <p>Takes about 150 bytes of native memory for each character of one text, so long texts are cut by the caller. Native
 * memory is held until {@link #close}. Safe for use by several threads.
 */
public final class TextTokenizer implements AutoCloseable {
    private final HuggingFaceTokenizer tokenizer;

    private TextTokenizer(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Ids and where they came from.
     *
     * @param ids one a token
     * @param starts of each token: its first code point in the text
     * @param ends of each token: one past its last code point; the tokens of one character's bytes all have its place
     */
    public record Encoded(int[] ids, int[] starts, int[] ends) {}

    /**
     * @throws InvalidInputException when there is no tokenizer.json, or the library does not accept it
     * @throws IOException when the native library does not load
     */
    public static TextTokenizer open(TokenizerFiles files) throws IOException {
        byte[] json = files.get(TokenizerFiles.TOKENIZER_JSON)
                .orElseThrow(() -> new InvalidInputException("Cannot tokenize text: the tokenizer's folder has no "
                        + TokenizerFiles.TOKENIZER_JSON
                        + " (transformers writes one: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER))"));
        try {
            return new TextTokenizer(ExactTokenizer.load(json));
        } catch (IOException e) {
            String reason = JsonInput.oneLine(e.getMessage());
            if (e.getCause() instanceof LinkageError) {
                throw new IOException("Cannot load the tokenizers library: " + reason, e);
            }
            throw JsonInput.refuse(TokenizerFiles.TOKENIZER_JSON, reason);
        }
    }

    /** The ids of {@code text}. */
    public int[] ids(String text) {
        long encoding = begin(text);
        try {
            return narrowed(TokenizersLibrary.LIB.getTokenIds(encoding));
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    /** The ids of {@code text} and their places in it. */
    public Encoded encode(String text) {
        long encoding = begin(text);
        try {
            int[] ids = narrowed(TokenizersLibrary.LIB.getTokenIds(encoding));
            CharSpan[] spans = TokenizersLibrary.LIB.getTokenCharSpans(encoding);
            int[] starts = new int[ids.length];
            int[] ends = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                // A token without a place in the text lies at the end of the one before.
                starts[i] = spans[i] != null ? spans[i].getStart() : i == 0 ? 0 : ends[i - 1];
                ends[i] = spans[i] != null ? spans[i].getEnd() : starts[i];
            }
            return new Encoded(ids, starts, ends);
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    private long begin(String text) {
        return TokenizersLibrary.LIB.encode(tokenizer.getHandle(), text, false);
    }

    private static int[] narrowed(long[] ids) {
        int[] narrow = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            narrow[i] = Math.toIntExact(ids[i]);
        }
        return narrow;
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
