package io.sparkgguf.qat;

import java.io.Serializable;

/**
 * How a block is trained, or all together.
 *
 * @param mode what is trained, and by which optimizer
 * @param steps of the optimizer; 0 for none
 * @param batch sequences of a step
 * @param weightRate learning rate of weights, as a share of the distance between two levels
 * @param scaleRate learning rate of scales and offsets, as a share of their own size
 * @param margin how far from its level a weight may start, as a share of the distance to the next one: below 0.5, so that the
 *     start is what was given
 * @param heldOut sequences that are not trained on but measured
 * @param measureEvery steps between two measurements of the held-out sequences
 * @param patience measurements without a better one after which training ends
 * @param seed of the order of sequences
 */
public record QatSettings(
        Mode mode,
        int steps,
        int batch,
        double weightRate,
        double scaleRate,
        double margin,
        int heldOut,
        int measureEvery,
        int patience,
        long seed)
        implements Serializable {

    /** Share of the steps in which AdamW's learning rates rise from zero: its first means are of few gradients. */
    private static final double WARM_SHARE = 0.05;

    /** Share of AdamW's learning rates that is left at the end. */
    private static final double LEAST_SHARE = 0.05;

    /** Of the optimizer, at the most. */
    public static final int DEFAULT_STEPS = 120;

    /** Of weights. */
    public static final double DEFAULT_RATE = 0.002;

    /** From first trials on one small model: what trains scales well and lets few weights change their levels. */
    public static final QatSettings DEFAULT =
            new QatSettings(Mode.WEIGHTS, DEFAULT_STEPS, 16, DEFAULT_RATE, 0.001, 0.45, 16, 20, 6, 1);

    /** Of all blocks together. */
    public static final int TOGETHER_STEPS = 120;

    /** For training all blocks of a model together, behind the training of each. */
    public static final QatSettings TOGETHER =
            new QatSettings(Mode.WEIGHTS, TOGETHER_STEPS, 24, 0.006, 0.002, 0.45, 16, 20, 6, 1);

    /** What is trained. */
    public enum Mode {
        /** Weights, scales and offsets, by AdamW with a learning rate that falls as a cosine. */
        WEIGHTS,
        /**
         * By how much each weight is moved before it is rounded, at most half a level, and scales and offsets; by signed
         * gradient descent with a learning rate that falls to zero in equal steps. Source: Cheng et al., Optimize weight
         * rounding via signed gradient descent (2023).
         */
        ROUNDING
    }

    /** Checks that all values can be. */
    public QatSettings {
        if (steps < 0 || batch < 1 || heldOut < 1 || measureEvery < 1 || patience < 1) {
            throw new IllegalArgumentException("Cannot train " + steps + " steps of " + batch + " sequences, measuring "
                    + heldOut + " others every " + measureEvery + " steps with a patience of " + patience
                    + ": all but the steps must be from 1");
        }
        if (!(weightRate >= 0 && weightRate <= 1 && scaleRate >= 0 && scaleRate <= 1)) {
            throw new IllegalArgumentException("Cannot train at learning rates of " + weightRate + " and " + scaleRate
                    + ": they must be from 0 to 1");
        }
        if (!(margin >= 0 && margin < 0.5)) {
            throw new IllegalArgumentException(
                    "Cannot start with a margin of " + margin + ": it must be from 0 and below 0.5");
        }
    }

    /** The same in another mode. */
    public QatSettings withMode(Mode other) {
        return new QatSettings(
                other, steps, batch, weightRate, scaleRate, margin, heldOut, measureEvery, patience, seed);
    }

    /** The same with so many steps. */
    public QatSettings withSteps(int count) {
        return new QatSettings(
                mode, count, batch, weightRate, scaleRate, margin, heldOut, measureEvery, patience, seed);
    }

    /** The same with another learning rate of weights; that of scales stays in proportion. */
    public QatSettings withRate(double rate) {
        double scales = weightRate == 0 ? scaleRate : scaleRate / weightRate * rate;
        return new QatSettings(
                mode, steps, batch, rate, Math.min(1, scales), margin, heldOut, measureEvery, patience, seed);
    }

    /** The same with so many sequences of a step, and so many that are measured. */
    public QatSettings withSequences(int ofStep, int measured) {
        return new QatSettings(
                mode, steps, ofStep, weightRate, scaleRate, margin, measured, measureEvery, patience, seed);
    }

    /** The learning rates' share at a step, counted from 0. */
    double share(int step) {
        double gone = (double) step / steps;
        return switch (mode) {
            case WEIGHTS ->
                Math.min(1, (step + 1) / (WARM_SHARE * steps))
                        * (LEAST_SHARE + (1 - LEAST_SHARE) * (1 + StrictMath.cos(Math.PI * gone)) / 2);
            case ROUNDING -> 1 - gone;
        };
    }
}
