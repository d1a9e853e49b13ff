package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Objects;

/**
 * What the mixes ask about a model.
 *
 * @param architecture GGUF's name of it, for example {@code llama}
 * @param blocks layers, those for multi-token prediction included; 0 when the metadata does not say
 * @param heads query heads of the first layer; 0 when unknown
 * @param keyValueHeads heads of keys and values in the first layer; 0 when unknown or none
 * @param experts experts of a layer; 0 for a dense model
 */
public record ModelFacts(String architecture, int blocks, int heads, int keyValueHeads, int experts) {
    public ModelFacts {
        Objects.requireNonNull(architecture, "architecture");
        if (blocks < 0 || heads < 0 || keyValueHeads < 0 || experts < 0) {
            throw new IllegalArgumentException("Cannot describe a model of " + blocks + " blocks, " + heads + " heads, "
                    + keyValueHeads + " key-value heads and " + experts + " experts: none may be negative");
        }
    }

    /**
     * The facts in a model's metadata; per-layer arrays count by their first element. Overrides of the metadata must be
     * applied before.
     *
     * @throws InvalidInputException when there is no {@code general.architecture}, or a count is not a number from 0 to
     *     2^31 - 1
     */
    public static ModelFacts from(Metadata metadata) {
        String architecture = metadata.string("general.architecture")
                .orElseThrow(() -> new InvalidInputException(
                        "Cannot choose tensor types: the metadata has no text under general.architecture"));
        int heads = count(metadata, architecture + ".attention.head_count", 0);
        return new ModelFacts(
                architecture,
                count(metadata, architecture + ".block_count", 0),
                heads,
                count(metadata, architecture + ".attention.head_count_kv", heads),
                count(metadata, architecture + ".expert_count", 0));
    }

    private static int count(Metadata metadata, String key, int absent) {
        MetadataValue value = metadata.get(key).orElse(null);
        if (value == null) {
            return absent;
        }
        long number = -1;
        if (value instanceof MetadataValue.Int integer) {
            number = integer.value();
        } else if (value instanceof MetadataValue.Numbers numbers
                && numbers.element().isInteger()
                && numbers.count() > 0) {
            number = numbers.integer(0);
        }
        if (number < 0 || number > Integer.MAX_VALUE) {
            throw new InvalidInputException("Cannot choose tensor types: " + key + " must be a whole number from 0 to "
                    + Integer.MAX_VALUE + " but is " + describe(value));
        }
        return (int) number;
    }

    private static String describe(MetadataValue value) {
        if (value instanceof MetadataValue.Int integer) {
            return Long.toString(integer.value());
        }
        return value instanceof MetadataValue.Numbers numbers
                ? "an array of " + numbers.count() + " " + numbers.element()
                : "of type " + value.type();
    }

    /** Query heads that share one head of keys and values, rounded down; 0 when there are none. */
    int headsPerKeyValueHead() {
        return keyValueHeads == 0 ? 0 : heads / keyValueHeads;
    }

    /** Whether this is a model of the 70B size, whose attention values are small beside the rest. */
    boolean is70B() {
        return switch (architecture) {
            case "llama", "llama-embed" -> blocks == 80 && experts != 8 && heads != keyValueHeads;
            case "qwen2", "deci", "olmo" -> blocks == 80;
            case "jais2" -> blocks == 68;
            default -> false;
        };
    }

    boolean isFalcon() {
        return architecture.equals("falcon");
    }
}
