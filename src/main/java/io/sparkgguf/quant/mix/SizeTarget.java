package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * How large a file may be at the most, and between what types its tensors' are chosen.
 *
 * @param bytes of all files, headers and padding included; 0 when bits are given
 * @param bitsPerWeight over all tensors, without headers and padding; 0 when bytes are given
 * @param typeGiven whether the user named the file's type; else it is the one whose mix comes nearest from below
 * @param candidates types to choose from; those whose blocks do not divide a tensor's rows are none for it
 * @param floors {@code --min-type}: no type of fewer bits; the first whose pattern is found counts
 * @param ceilings {@code --max-type}: no type of more bits; the first whose pattern is found counts
 * @param ties patterns: tensors of one block in whose names the same one is found get one type
 * @param text on which the effect of each tensor on predictions is measured; none: judged by the tensor's role
 * @param tokens of the text to use at the most
 * @param tokenizer a folder with a tokenizer.json, or null for the model's own
 */
public record SizeTarget(
        long bytes,
        double bitsPerWeight,
        boolean typeGiven,
        List<BlockType> candidates,
        List<TypeOverride> floors,
        List<TypeOverride> ceilings,
        List<String> ties,
        List<String> text,
        long tokens,
        String tokenizer) {
    /** What types are chosen from when nothing is said; the last three for rows that 256 does not divide. */
    public static final List<BlockType> CANDIDATES =
            List.of(Q2_K, Q3_K, IQ4_XS, Q4_K, Q5_K, Q6_K, Q8_0, IQ4_NL, Q5_0, Q5_1);

    public static final long DEFAULT_TOKENS = 4096;

    /**
     * @throws InvalidInputException when neither or both of bytes and bits are given, a type is named twice, a pattern is
     *     no regular expression, or there are not enough tokens
     */
    public SizeTarget {
        candidates = candidates.stream()
                .sorted(Comparator.comparingDouble(BlockType::bitsPerElement).thenComparing(BlockType::name))
                .toList();
        floors = List.copyOf(floors);
        ceilings = List.copyOf(ceilings);
        ties = List.copyOf(ties);
        text = List.copyOf(text);
        if (bytes > 0 && bitsPerWeight > 0) {
            throw new InvalidInputException("Cannot combine --target-size with --target-bpw: each sets the size");
        }
        if (bytes <= 0 && !(bitsPerWeight > 0 && bitsPerWeight <= 64)) {
            throw new InvalidInputException(
                    "Cannot aim at " + bitsPerWeight + " bits per weight: give more than 0 and at most 64");
        }
        if (candidates.isEmpty()) {
            throw new InvalidInputException("Cannot choose types: --target-types names none");
        }
        if (new HashSet<>(candidates).size() < candidates.size()) {
            throw new InvalidInputException("Cannot choose types: --target-types names one of them twice");
        }
        candidates.forEach(WeightTypes::requireEncoder);
        ties.forEach(SizeTarget::pattern);
        if (tokens < 1) {
            throw new InvalidInputException("Cannot measure effects on " + tokens + " tokens: at least 1 is needed");
        }
    }

    /** The option that set the size, as the user would write it. */
    public String option() {
        return bytes > 0 ? "--target-size " + bytes : "--target-bpw " + bitsPerWeight;
    }

    static Pattern pattern(String text) {
        try {
            return Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            throw new InvalidInputException(
                    "Cannot use tensor name pattern \"" + text + "\": " + e.getDescription() + " at character "
                            + e.getIndex(),
                    e);
        }
    }

    /** The same with files named by {@code name}. */
    public SizeTarget renamed(UnaryOperator<String> name) {
        return new SizeTarget(
                bytes,
                bitsPerWeight,
                typeGiven,
                candidates,
                floors,
                ceilings,
                ties,
                text.stream().map(name).toList(),
                tokens,
                name.apply(tokenizer));
    }

    /** The bits of a weight in a file of the target's size with so many weights. */
    double bitsPerWeight(long weights) {
        return bytes > 0 ? 8.0 * bytes / Math.max(1, weights) : bitsPerWeight;
    }

    /** The type that a file of so many bits a weight goes by: the largest mix that is not larger. */
    static FileType nearest(double bitsPerWeight) {
        return List.of(
                        FileType.Q3_K_S,
                        FileType.Q3_K_M,
                        FileType.Q3_K_L,
                        FileType.Q4_K_S,
                        FileType.Q4_K_M,
                        FileType.Q5_K_S,
                        FileType.Q5_K_M,
                        FileType.Q6_K,
                        FileType.Q8_0)
                .stream()
                .filter(type -> type.bitsPerWeight() <= bitsPerWeight)
                .reduce(FileType.Q2_K, (smaller, larger) -> larger);
    }
}
