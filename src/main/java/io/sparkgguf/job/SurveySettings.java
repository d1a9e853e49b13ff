package io.sparkgguf.job;

import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What a run of survey is asked to do.
 *
 * @param model Hugging Face folder or GGUF file
 * @param imatrix importance matrix, or null
 * @param schemes to try, at least one
 * @param tensors Java regular expression that is found in the names of those to look at; null for all
 * @param rows of each tensor to look at, evenly spread; 0 for all
 * @param output the folder to make
 * @param overwrite whether an earlier survey there is replaced
 */
public record SurveySettings(
        String model,
        String imatrix,
        List<Scheme> schemes,
        String tensors,
        int rows,
        String output,
        boolean overwrite) {
    public SurveySettings {
        schemes = List.copyOf(schemes);
        output = output.replaceAll("(?<=.)/+$", "");
        if (rows < 0) {
            throw new InvalidInputException("Cannot survey " + rows + " rows: at least 1 is needed");
        }
        if (tensors != null) {
            compile(tensors);
        }
    }

    private static Pattern compile(String pattern) {
        try {
            return Pattern.compile(pattern);
        } catch (PatternSyntaxException e) {
            throw new InvalidInputException(
                    "Cannot use tensor name pattern \"" + pattern + "\": " + e.getDescription() + " at character "
                            + e.getIndex(),
                    e);
        }
    }

    /** Whether a tensor of this name is looked at. */
    boolean wants(String name) {
        return tensors == null || compile(tensors).matcher(name).find();
    }

    /** The same run with files named by {@code name}, which gets null too. */
    SurveySettings renamed(UnaryOperator<String> name) {
        return new SurveySettings(
                name.apply(model), name.apply(imatrix), schemes, tensors, rows, name.apply(output), overwrite);
    }
}
