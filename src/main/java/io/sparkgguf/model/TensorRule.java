package io.sparkgguf.model;

import java.util.List;
import java.util.function.Predicate;

/**
 * One line of an architecture's page: a tensor of the checkpoint and what becomes of it in the GGUF.
 *
 * @param from Hugging Face name; <code>{layer}</code> stands for each layer's number from 0
 * @param to GGUF name, with the same placeholder
 * @param shape each dimension, outermost first, as a size of {@code config.json} or a product {@code a * b}
 * @param halves the size that says how many rows' rotary halves to interleave (see {@link RowOrder}), or null to keep rows
 * @param required whether the checkpoint must have it
 * @param applies whether a checkpoint of this configuration may have it at all
 */
record TensorRule(
        String from,
        String to,
        List<String> shape,
        String halves,
        Predicate<HfConfig> required,
        Predicate<HfConfig> applies) {
    private static final String LAYER = "{layer}";

    TensorRule {
        shape = List.copyOf(shape);
        if (from.contains(LAYER) != to.contains(LAYER)) {
            throw new IllegalArgumentException("Cannot map " + from + " to " + to + ": only one is of a layer");
        }
    }

    /** A tensor that every checkpoint has. */
    static TensorRule tensor(String from, String to, String... shape) {
        return new TensorRule(from, to, List.of(shape), null, config -> true, config -> true);
    }

    /** The same, with the rotary halves of each {@code size} rows interleaved. */
    TensorRule interleavingHalves(String size) {
        return new TensorRule(from, to, shape, size, required, applies);
    }

    /** Taken when there; required when the configuration says so. */
    TensorRule requiredWhen(String flag) {
        return new TensorRule(from, to, shape, halves, config -> config.flag(flag), applies);
    }

    TensorRule requiredUnless(String flag) {
        return new TensorRule(from, to, shape, halves, config -> !config.flag(flag), applies);
    }

    /** The line is one only of checkpoints whose configuration passes. */
    TensorRule onlyWhen(Predicate<HfConfig> configuration) {
        return new TensorRule(from, to, shape, halves, required, configuration);
    }

    /** Whether it is the weight of a linear layer of a block. */
    boolean isLinear() {
        return isOfLayer() && shape.size() == 2;
    }

    boolean isOfLayer() {
        return from.contains(LAYER);
    }

    String from(long layer) {
        return from.replace(LAYER, Long.toString(layer));
    }

    String to(long layer) {
        return to.replace(LAYER, Long.toString(layer));
    }
}
