package io.sparkgguf.job;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * What a run of evaluate is asked to do.
 *
 * @param model the base: Hugging Face folder or GGUF file
 * @param candidates GGUF files to compare with it; none for the base's perplexity alone
 * @param text files, folders or globs
 * @param calibration text that models may have been calibrated on, to be looked through for {@code text}; may be none
 * @param tokenizer Hugging Face folder to tokenize with, null for the model's own
 * @param context tokens of a sequence, at least 4
 * @param chunks most sequences to use; 0 for all
 * @param output where the report goes, or null
 */
public record EvaluateSettings(
        String model,
        List<String> candidates,
        List<String> text,
        List<String> calibration,
        String tokenizer,
        int context,
        int chunks,
        String output) {
    public EvaluateSettings {
        candidates = List.copyOf(candidates);
        text = List.copyOf(text);
        calibration = List.copyOf(calibration);
        if (context < 4) {
            throw new InvalidInputException(
                    "Cannot evaluate with --context " + context + ": nothing is scored below 4 tokens");
        }
        if (chunks < 0) {
            throw new InvalidInputException("Cannot evaluate " + chunks + " chunks");
        }
    }

    /** The same run with files named by {@code name}, which gets null too. */
    EvaluateSettings renamed(UnaryOperator<String> name) {
        return new EvaluateSettings(
                name.apply(model),
                candidates.stream().map(name).toList(),
                text.stream().map(name).toList(),
                calibration.stream().map(name).toList(),
                name.apply(tokenizer),
                context,
                chunks,
                name.apply(output));
    }
}
