package io.sparkgguf.plan;

import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.TernarySource;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.tensor.BlockType;

/**
 * One tensor of the output, laid out.
 *
 * @param index place in the plan, over all output files
 * @param source where its values come from
 * @param choice the type it gets, and why
 * @param output index of the output file that holds it
 * @param offset first byte in that file
 * @param bytes length without padding
 * @param importance null when it is encoded without
 */
public record PlannedTensor(
        int index,
        ModelTensor source,
        TypeChoice choice,
        int output,
        long offset,
        long bytes,
        ImportanceSource importance) {

    public String name() {
        return source.name();
    }

    public BlockType type() {
        return choice.type();
    }

    public long elements() {
        return source.shape().elements();
    }

    /** How what is stored becomes BitNet's weights for this type, or null when it is the weights. */
    TernarySource ternary() {
        return source.source() instanceof ModelTensor.Stored stored
                        && stored.ternary() != null
                        && stored.ternary().appliesTo(type())
                ? stored.ternary()
                : null;
    }

    /** Whether the source's bytes go into the file as they are. */
    public boolean isCopied() {
        return source.source() instanceof ModelTensor.Stored stored
                && stored.order().isAsStored()
                && ternary() == null
                && source.encoding().label().equals(type().label());
    }
}
