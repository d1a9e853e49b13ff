package io.sparkgguf.calibrate.text;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.Serializable;
import java.util.List;

/**
 * What text to read and how.
 *
 * @param verb what it is for, in messages: {@code calibrate} or {@code evaluate}
 * @param sources files, folders and globs ({@code *}, {@code ?}, {@code [..]}, <code>{a,b}</code>), at least one
 * @param tokenizer Hugging Face folder to tokenize with, null for the model's own
 * @param sequenceLength tokens of each sequence, at least 2
 * @param tokens most tokens to use, whole sequences of them; 0 for all there are
 * @param seed of the order of documents; {@link Packing#LLAMA} has no use for it
 * @param packing how documents become sequences
 */
public record TextSettings(
        String verb,
        List<String> sources,
        String tokenizer,
        int sequenceLength,
        long tokens,
        long seed,
        Packing packing)
        implements Serializable {
    /** Longer than any context there is. */
    private static final int MAX_SEQUENCE = 1 << 24;

    public TextSettings {
        sources = List.copyOf(sources);
        if (sources.isEmpty()) {
            throw new InvalidInputException("Cannot " + verb + ": no text is named");
        }
        if (sequenceLength < 2 || sequenceLength > MAX_SEQUENCE) {
            throw new InvalidInputException("Cannot " + verb + " with sequences of " + sequenceLength
                    + " tokens: a sequence has 2 to " + MAX_SEQUENCE);
        }
        if (tokens < 0 || tokens > 0 && tokens < sequenceLength) {
            throw new InvalidInputException("Cannot " + verb + " with " + tokens
                    + " tokens: that is less than one sequence of " + sequenceLength);
        }
    }

    /** Text in order, cut as llama-perplexity cuts it. */
    public static TextSettings llama(String verb, List<String> sources, String tokenizer, int context) {
        return new TextSettings(verb, sources, tokenizer, context, 0, 0, Packing.LLAMA);
    }
}
