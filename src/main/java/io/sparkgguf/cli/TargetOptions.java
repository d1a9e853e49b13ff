package io.sparkgguf.cli;

import io.sparkgguf.quant.mix.SizeTarget;
import io.sparkgguf.quant.mix.TypeOverride;
import io.sparkgguf.quant.mix.WeightTypes;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;

/** The options of quantize and plan that choose types by the size of the file. */
final class TargetOptions {
    @Option(
            names = "--target-size",
            paramLabel = "SIZE",
            converter = ByteSize.File.class,
            description = "The most that the file may have, all of it: 24GiB, 3.5GB, or bytes; K, M, G and T alone are"
                    + " decimal. Each tensor gets the type that makes the least error in all. --type can be left out; given,"
                    + " it is what the file goes by, and its mix decides what is not chosen.")
    Long size;

    @Option(
            names = "--target-bpw",
            paramLabel = "X",
            description = "The same, by the most bits per weight over all tensors, scales included. Example: 4.25")
    Double bitsPerWeight;

    @Option(
            names = "--target-types",
            paramLabel = "LIST",
            split = ",",
            description =
                    "Types to choose from. Default: Q2_K,Q3_K,IQ4_XS,Q4_K,Q5_K,Q6_K,Q8_0, and for rows that 256 does"
                            + " not divide IQ4_NL,Q5_0,Q5_1,Q8_0.")
    List<String> types = new ArrayList<>();

    @Option(
            names = "--min-type",
            paramLabel = "RE=T",
            description = "No type of fewer bits than T for tensors in whose name the regular expression is found;"
                    + " repeatable, the first that is found counts. Example: --min-type 'attn_v=Q4_K'")
    List<String> floors = new ArrayList<>();

    @Option(names = "--max-type", paramLabel = "RE=T", description = "The same: no type of more bits than T.")
    List<String> ceilings = new ArrayList<>();

    @Option(
            names = "--tie",
            paramLabel = "RE",
            description =
                    "One type for all tensors of a block in whose name the regular expression is found; repeatable."
                            + " Example: --tie 'attn_[qkv]\\.' --tie 'ffn_(gate|up)\\.'. Default: none are tied.")
    List<String> ties = new ArrayList<>();

    @Option(
            names = "--target-text",
            paramLabel = "FILE",
            description =
                    "Text on which to measure what rounding each tensor does to the model's predictions: better than"
                            + " judging by its role in the model, at the price of about nine passes over the text for each"
                            + " block; repeatable. Default: the text of --calibration.")
    List<String> text = new ArrayList<>();

    @Option(
            names = "--target-tokens",
            paramLabel = "N",
            defaultValue = "" + SizeTarget.DEFAULT_TOKENS,
            description = "Tokens of it to use at the most. Default: ${DEFAULT-VALUE}.")
    long tokens;

    @Option(
            names = "--target-tokenizer",
            paramLabel = "FOLDER",
            description = "Hugging Face folder whose tokenizer.json to use for it, where the model is a GGUF file.")
    String tokenizer;

    /**
     * The target; null when none is asked for.
     *
     * @param typeGiven whether there is a --type
     */
    SizeTarget target(ParseResult parsed, boolean typeGiven) {
        if (size == null && bitsPerWeight == null) {
            requireNone(parsed);
            return null;
        }
        return new SizeTarget(
                size == null ? 0 : size,
                bitsPerWeight == null ? 0 : bitsPerWeight,
                typeGiven,
                types.isEmpty() ? SizeTarget.CANDIDATES : candidates(),
                limits(floors, "--min-type"),
                limits(ceilings, "--max-type"),
                ties,
                text,
                tokens,
                tokenizer);
    }

    private List<BlockType> candidates() {
        return types.stream().map(name -> WeightTypes.parse(name.strip())).toList();
    }

    private static List<TypeOverride> limits(List<String> texts, String option) {
        return texts.stream().map(text -> TypeOverride.parse(text, option)).toList();
    }

    private static void requireNone(ParseResult parsed) {
        for (OptionSpec option : parsed.matchedOptions()) {
            if (option.userObject() instanceof Field field && field.getDeclaringClass() == TargetOptions.class) {
                throw new InvalidInputException("Cannot use " + option.longestName()
                        + " without --target-size or --target-bpw: it says how types are chosen for a size");
            }
        }
    }
}
