package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Gives a type to every quantizable tensor in whose name a pattern is found.
 *
 * @param pattern a Java regular expression, matched case-sensitively anywhere in the name
 * @param type what those tensors become
 */
public record TypeOverride(Pattern pattern, BlockType type) {
    public TypeOverride {
        Objects.requireNonNull(pattern, "pattern");
        WeightTypes.requireEncoder(type);
    }

    /**
     * Reads {@code PATTERN=TYPE}; the last equals sign separates the two.
     *
     * @throws InvalidInputException when it is not of this form, the pattern is no regular expression or the type unknown
     */
    public static TypeOverride parse(String text) {
        return parse(text, "tensor type override");
    }

    /** The same, called {@code what} in messages. */
    public static TypeOverride parse(String text, String what) {
        int equals = text.lastIndexOf('=');
        if (equals <= 0 || equals == text.length() - 1) {
            throw new InvalidInputException(
                    "Cannot use " + what + " \"" + text + "\": expected PATTERN=TYPE, for example attn_v=Q6_K");
        }
        String pattern = text.substring(0, equals);
        BlockType type = WeightTypes.parse(text.substring(equals + 1));
        try {
            return new TypeOverride(Pattern.compile(pattern), type);
        } catch (PatternSyntaxException e) {
            throw new InvalidInputException(
                    "Cannot use tensor name pattern \"" + pattern + "\": " + e.getDescription() + " at character "
                            + e.getIndex(),
                    e);
        }
    }

    boolean matches(String name) {
        return pattern.matcher(name).find();
    }

    /** {@code PATTERN=TYPE}. */
    @Override
    public String toString() {
        return pattern.pattern() + "=" + type;
    }
}
