package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** The block types that weights can be asked to have, and those among them that can be written today. */
public final class WeightTypes {
    /** Recognised, sized and copied; no encoder yet. */
    private static final Set<BlockType> WITHOUT_ENCODER =
            Collections.unmodifiableSet(EnumSet.of(IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S));

    /** Integers, double precision and the formats of activations: never the type of a quantized weight. */
    private static final Set<BlockType> NOT_FOR_WEIGHTS =
            Collections.unmodifiableSet(EnumSet.of(I8, I16, I32, I64, F64, Q8_1, Q8_K));

    private WeightTypes() {}

    /** Whether weights can be encoded in {@code type}. */
    public static boolean hasEncoder(BlockType type) {
        return !WITHOUT_ENCODER.contains(type) && !NOT_FOR_WEIGHTS.contains(type);
    }

    /** The types that can be asked for, in the order of their ids in a file. */
    public static List<BlockType> encodable() {
        return EnumSet.allOf(BlockType.class).stream()
                .filter(WeightTypes::hasEncoder)
                .toList();
    }

    /**
     * The type of this name, in any case.
     *
     * @throws InvalidInputException when there is none, or weights cannot be encoded in it
     */
    public static BlockType parse(String label) {
        BlockType type = BlockType.of(label).orElseThrow(() -> {
            List<String> known = names();
            return new InvalidInputException("Cannot use tensor type \"" + label + "\": unknown"
                    + Spelling.suggestion(label, known) + " Known: " + String.join(", ", known));
        });
        return requireEncoder(type);
    }

    /**
     * {@code type} itself.
     *
     * @throws InvalidInputException when weights cannot be encoded in it
     */
    static BlockType requireEncoder(BlockType type) {
        if (NOT_FOR_WEIGHTS.contains(type)) {
            throw new InvalidInputException("Cannot use tensor type " + type + ": not a type for weights. Known: "
                    + String.join(", ", names()));
        }
        if (WITHOUT_ENCODER.contains(type)) {
            throw new InvalidInputException("Cannot use tensor type " + type
                    + ": known, but it has no encoder yet. Available: " + String.join(", ", names()));
        }
        return type;
    }

    /** Whether tensors of {@code type} in a GGUF file are copied whatever was asked: integers and double precision. */
    static boolean isOnlyCopied(BlockType type) {
        return type.isScalar() && NOT_FOR_WEIGHTS.contains(type);
    }

    private static List<String> names() {
        return encodable().stream().map(BlockType::name).toList();
    }
}
