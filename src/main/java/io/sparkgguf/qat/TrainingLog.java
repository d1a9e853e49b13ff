package io.sparkgguf.qat;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * How far the training of a block is, and what follows from that; small, and without weights, so that a training can be
 * interrupted between any two steps and go on elsewhere.
 *
 * @param steps that were made
 * @param before mean squared error of the held-out sequences at the start
 * @param best the least of all measurements
 * @param bestStep steps behind which it was measured; 0 for the start
 * @param worse measurements since then
 * @param diverged whether an error was no finite number
 * @param training mean squared error of each step's batch
 * @param heldOut mean squared error at each measurement, the start first
 */
public record TrainingLog(
        int steps,
        double before,
        double best,
        int bestStep,
        int worse,
        boolean diverged,
        List<Double> training,
        List<Double> heldOut)
        implements Serializable {

    public TrainingLog {
        training = List.copyOf(training);
        heldOut = List.copyOf(heldOut);
    }

    /** A training whose start was measured. */
    public static TrainingLog begin(double before) {
        return new TrainingLog(0, before, before, 0, 0, !Double.isFinite(before), List.of(), List.of(before));
    }

    /** Whether there is nothing more to do. */
    public boolean isOver(QatSettings settings) {
        return diverged || !(before > 0) || steps >= settings.steps() || worse >= settings.patience();
    }

    /** The log with a step more, whose batch had this error; one that is no finite number is no step, but the end. */
    public TrainingLog stepped(double error) {
        boolean finite = Double.isFinite(error);
        return new TrainingLog(
                finite ? steps + 1 : steps, before, best, bestStep, worse, !finite, with(training, error), heldOut);
    }

    /** Whether the held-out sequences are to be measured now, behind a step. */
    public boolean isMeasured(QatSettings settings) {
        return !diverged && (steps % settings.measureEvery() == 0 || steps == settings.steps());
    }

    /** The log with a measurement more. */
    public TrainingLog measured(double error) {
        boolean better = error < best;
        return new TrainingLog(
                steps,
                before,
                better ? error : best,
                better ? steps : bestStep,
                better ? 0 : worse + 1,
                !Double.isFinite(error),
                training,
                with(heldOut, error));
    }

    private static List<Double> with(List<Double> list, double more) {
        List<Double> longer = new ArrayList<>(list);
        longer.add(more);
        return longer;
    }

    /** How the training ended, if it is over. */
    public BlockTrainer.End end() {
        return diverged ? BlockTrainer.End.DIVERGED : bestStep > 0 ? BlockTrainer.End.IMPROVED : BlockTrainer.End.KEPT;
    }
}
