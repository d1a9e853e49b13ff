package io.sparkgguf.gptq;

import io.sparkgguf.tensor.BlockType;
import java.io.Serializable;

/**
 * How rows are solved.
 *
 * @param order in which the columns are walked
 * @param damping of the Hessian
 * @param conditionalBelowBits types of fewer bits a weight than this have their scales searched with each column's conditional
 *     importance 1 / R_jj², what is left of its weight once all later columns made up for its error, instead of diag(H)
 * @param scales when scales are found
 * @param sweeps times that all levels are looked at again in the Hessian's metric after the loop; 0 for none
 * @param refit whether these sweeps fit the scales to the levels as well
 */
public record GptqOptions(
        ColumnOrder order, Damping damping, double conditionalBelowBits, Scales scales, int sweeps, boolean refit)
        implements Serializable {

    /** What is best on natural models. */
    public static final GptqOptions DEFAULT =
            new GptqOptions(ColumnOrder.ACT, Damping.DIAGONAL, 4, Scales.STATIC, 0, false);

    /** When the scales are found. */
    public enum Scales {
        /** Before the loop, from the original weights. */
        STATIC,
        /** When the loop reaches a super-block, from its weights as they are by then. */
        DYNAMIC
    }

    /** Checks that they go together. */
    public GptqOptions {
        if (scales == Scales.DYNAMIC && !order.keepsGroups()) {
            throw new IllegalArgumentException("Cannot find scales in the loop in the order " + order
                    + ": it walks the columns of a super-block apart; take NATURAL or GROUPED");
        }
        if (sweeps < 0) {
            throw new IllegalArgumentException("Cannot sweep " + sweeps + " times: the least is 0");
        }
        if (refit && sweeps == 0) {
            throw new IllegalArgumentException("Cannot fit scales again in 0 sweeps: the least is 1");
        }
        if (!(conditionalBelowBits >= 0)) {
            throw new IllegalArgumentException("Cannot take conditional importance below " + conditionalBelowBits
                    + " bits a weight: the least is 0");
        }
    }

    /** Whether this type's scales are searched with conditional importance. */
    public boolean conditional(BlockType type) {
        return 8.0 * type.blockBytes() / type.blockElements() < conditionalBelowBits;
    }

    /** The same in another order. */
    public GptqOptions withOrder(ColumnOrder other) {
        return new GptqOptions(other, damping, conditionalBelowBits, scales, sweeps, refit);
    }

    /** The same with another damping. */
    public GptqOptions withDamping(Damping other) {
        return new GptqOptions(order, other, conditionalBelowBits, scales, sweeps, refit);
    }

    /** The same with conditional importance below so many bits a weight. */
    public GptqOptions withConditionalBelowBits(double bits) {
        return new GptqOptions(order, damping, bits, scales, sweeps, refit);
    }

    /** The same with scales found at another time. */
    public GptqOptions withScales(Scales other) {
        return new GptqOptions(order, damping, conditionalBelowBits, other, sweeps, refit);
    }

    /** The same with so many sweeps. */
    public GptqOptions withSweeps(int count, boolean fitScales) {
        return new GptqOptions(order, damping, conditionalBelowBits, scales, count, fitScales);
    }
}
