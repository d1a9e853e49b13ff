package io.sparkgguf.job;

import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.qat.TrainingLog;

/** The training of one block, as the driver sees it. */
final class TrainingCourse {
    /** How far a training is, in the journal, with the files that it goes on from. */
    static final String STATE = "state";

    private final TrainedBlock block;
    private final String key;
    private final int blocks;
    private TrainingLog log;
    private double seconds;

    /**
     * @param key the stage in the journal
     * @param blocks of the model
     */
    TrainingCourse(TrainedBlock block, String key, int blocks) {
        this.block = block;
        this.key = key;
        this.blocks = blocks;
    }

    TrainedBlock block() {
        return block;
    }

    String key() {
        return key;
    }

    /** Null before its start was measured. */
    TrainingLog log() {
        return log;
    }

    /** Wall time until now, that of earlier runs with it. */
    double seconds() {
        return seconds;
    }

    boolean isOver() {
        return log != null && log.isOver(block.settings());
    }

    void reached(TrainingLog now, double after) {
        log = now;
        seconds = after;
    }

    /** Steps that are made when the training is kept next. */
    int next() {
        int every = block.settings().measureEvery();
        int steps = log == null ? 0 : log.steps();
        return Math.min(block.settings().steps(), (steps / every + 1) * every);
    }

    /** For people: where it is, and how long the rest of the model may take. */
    String line(int stepsBefore, double secondsBefore) {
        int steps = block.settings().steps();
        int made = log.steps() - stepsBefore;
        double each = made > 0 ? (seconds - secondsBefore) / made : 0;
        long left =
                Math.round(each * ((isOver() ? 0 : steps - log.steps()) + (long) steps * (blocks - block.index() - 1)));
        return "spark-gguf: block %d of %d, step %d of %d: held-out error %.4g of the start's, best %.4g; %.3g s a step, at most %d:%02d left of training"
                .formatted(
                        block.index() + 1,
                        blocks,
                        log.steps(),
                        steps,
                        log.heldOut().get(log.heldOut().size() - 1) / log.before(),
                        log.best() / log.before(),
                        each,
                        left / 60,
                        left % 60);
    }
}
