package io.sparkgguf.job;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * What a run of imatrix is asked to do.
 *
 * @param model Hugging Face folder or GGUF file; null when only files are merged
 * @param calibration files, folders or globs of text; none when only files are merged
 * @param tokenizer Hugging Face folder to tokenize with, null for the model's own
 * @param context tokens of a sequence, at least 2
 * @param chunks most sequences to use; 0 for all
 * @param processOutput whether the output head's input counts too
 * @param merge importance matrices to add
 * @param output the file to write
 * @param legacy whether it is written in the format from before GGUF
 * @param workFolder where sums are kept while the run goes on; null for {@code <output>.work}
 */
public record ImatrixSettings(
        String model,
        List<String> calibration,
        String tokenizer,
        int context,
        int chunks,
        boolean processOutput,
        List<String> merge,
        String output,
        boolean legacy,
        String workFolder) {
    public ImatrixSettings {
        calibration = List.copyOf(calibration);
        merge = List.copyOf(merge);
        if (context < 2) {
            throw new InvalidInputException("Cannot collect importance with --context " + context);
        }
        if (chunks < 0) {
            throw new InvalidInputException("Cannot collect importance of " + chunks + " chunks");
        }
        if ((model == null) != calibration.isEmpty()) {
            throw new InvalidInputException("Cannot collect importance: "
                    + (model == null ? "--calibration needs --model" : "--model needs --calibration"));
        }
        if (model == null && merge.isEmpty()) {
            throw new InvalidInputException(
                    "Cannot write an importance matrix of nothing: give --model and --calibration, or --merge");
        }
    }

    /** Whether a name means the older format. */
    public static boolean isLegacyName(String output) {
        return output.toLowerCase(Locale.ROOT).endsWith(".dat");
    }

    /** Whether there is text to collect on. */
    boolean collects() {
        return model != null;
    }

    /** The name of the work folder. */
    String work() {
        return workFolder != null ? workFolder.replaceAll("(?<=.)/+$", "") : output + ".work";
    }

    /** The same run with files named by {@code name}, which gets null too. */
    ImatrixSettings renamed(UnaryOperator<String> name) {
        return new ImatrixSettings(
                name.apply(model),
                calibration.stream().map(name).toList(),
                name.apply(tokenizer),
                context,
                chunks,
                processOutput,
                merge.stream().map(name).toList(),
                name.apply(output),
                legacy,
                name.apply(workFolder));
    }
}
