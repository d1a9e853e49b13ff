package io.sparkgguf.gptq;

import java.io.Serializable;

/**
 * How rows are solved.
 *
 * @param order in which the columns are walked
 * @param damping of the Hessian
 * @param conditional share, from 0 to 1, of the conditional importance in the weights of the search for scales: those are
 *     {@code importance^(1 - share) * conditional^share}, where importance is diag(H) and conditional 1 / R_jj², what is left of
 *     a column's importance once all later columns made up for its error
 * @param scales when scales are found
 * @param sweeps times that all levels are looked at again in the Hessian's metric after the loop; 0 for none
 * @param refit whether these sweeps fit the scales to the levels as well
 */
public record GptqOptions(
        ColumnOrder order, Damping damping, double conditional, Scales scales, int sweeps, boolean refit)
        implements Serializable {

    /** What is best on natural models. */
    public static final GptqOptions DEFAULT =
            new GptqOptions(ColumnOrder.ACT, Damping.DIAGONAL, 0.5, Scales.STATIC, 4, true);

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
        if (!(conditional >= 0 && conditional <= 1)) {
            throw new IllegalArgumentException(
                    "Cannot take a share of " + conditional + " of the conditional importance: it must be from 0 to 1");
        }
    }

    /** The same in another order. */
    public GptqOptions withOrder(ColumnOrder other) {
        return new GptqOptions(other, damping, conditional, scales, sweeps, refit);
    }

    /** The same with another damping. */
    public GptqOptions withDamping(Damping other) {
        return new GptqOptions(order, other, conditional, scales, sweeps, refit);
    }

    /** The same with another share of conditional importance. */
    public GptqOptions withConditional(double share) {
        return new GptqOptions(order, damping, share, scales, sweeps, refit);
    }

    /** The same with scales found at another time. */
    public GptqOptions withScales(Scales other) {
        return new GptqOptions(order, damping, conditional, other, sweeps, refit);
    }

    /** The same with so many sweeps. */
    public GptqOptions withSweeps(int count, boolean fitScales) {
        return new GptqOptions(order, damping, conditional, scales, count, fitScales);
    }
}
