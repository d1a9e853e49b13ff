package io.sparkgguf.qat;

import io.sparkgguf.kernel.Steps;

/** Moves parameters by their gradients: one for a whole training, told of each step as it begins. */
final class Optimizer {
    private static final float BETA1 = 0.9f;
    private static final float BETA2 = 0.95f;
    private static final float EPSILON = 1e-10f;

    /** How far signed descent may go from where it began, in units. */
    private static final float REACH = 0.5f;

    private final QatSettings.Mode mode;
    private int number;

    Optimizer(QatSettings.Mode mode) {
        this.mode = mode;
    }

    /** Begins a step, the first being number 1. */
    void begin(int step) {
        number = step;
    }

    /**
     * Moves parameters, which lie in runs of {@code run} beside each other; {@code shared} runs after each other have the
     * same units.
     */
    void step(Parameters parameters, int run, int shared, double rate) {
        int length = parameters.x.length;
        if (parameters.first == null) {
            boolean adam = mode == QatSettings.Mode.WEIGHTS;
            parameters.first = adam ? new float[length] : parameters.x.clone();
            parameters.second = adam ? new float[length] : null;
        }
        Steps.AdamW adam = new Steps.AdamW((float) rate, BETA1, BETA2, number, EPSILON, 0);
        for (int at = 0; at < length; at += run) {
            int unitAt = at / run / shared * run;
            if (mode == QatSettings.Mode.WEIGHTS) {
                Steps.adamW(
                        adam,
                        parameters.x,
                        parameters.gradient,
                        parameters.first,
                        parameters.second,
                        at,
                        run,
                        parameters.units,
                        unitAt);
            } else {
                Steps.sign(
                        (float) rate,
                        REACH,
                        parameters.x,
                        parameters.gradient,
                        parameters.first,
                        at,
                        run,
                        parameters.units,
                        unitAt);
            }
        }
    }
}
