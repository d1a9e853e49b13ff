package io.sparkgguf.quant.mix;

import java.util.List;
import java.util.function.ToLongFunction;

/**
 * The types of all tensors of a file.
 *
 * @param choices in the order of the file
 * @param warnings lines about options that had no effect
 */
public record TypeChoices(List<TypeChoice> choices, List<String> warnings) {
    public TypeChoices {
        choices = List.copyOf(choices);
        warnings = List.copyOf(warnings);
    }

    /** Those that did not get the type that they should have. */
    public List<TypeChoice> fallbacks() {
        return choices.stream().filter(choice -> choice.rule() == Rule.FALLBACK).toList();
    }

    /** Weights of all tensors. */
    public long elements() {
        return sum(choice -> choice.shape().elements());
    }

    /** Bytes of all tensors in their new types, without padding. */
    public long bytes() {
        return sum(TypeChoice::bytes);
    }

    /** Bytes of all tensors as they are stored now. */
    public long sourceBytes() {
        return sum(TypeChoice::sourceBytes);
    }

    /** Bits of storage for each weight over all tensors, scales included; 0 when there are no weights. */
    public double bitsPerWeight() {
        return elements() == 0 ? 0 : 8.0 * bytes() / elements();
    }

    private long sum(ToLongFunction<TypeChoice> part) {
        return choices.stream().mapToLong(part).reduce(0, Math::addExact);
    }
}
