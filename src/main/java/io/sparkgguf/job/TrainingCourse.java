package io.sparkgguf.job;

import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.job.qat.TrainedModel;
import io.sparkgguf.job.qat.TrainedSequence;
import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.qat.TrainingLog;
import java.util.List;

/** The training of one block, or of all together, as the driver sees it. */
final class TrainingCourse {
    /** How far a training is, in the journal, with the files that it goes on from. */
    static final String STATE = "state";

    private final List<TrainedBlock> blocks;
    private final TrainedModel model;
    private final String key;
    private final int all;
    private TrainingLog log;
    private double seconds;

    private TrainingCourse(List<TrainedBlock> blocks, TrainedModel model, String key, int all) {
        this.blocks = blocks;
        this.model = model;
        this.key = key;
        this.all = all;
    }

    /**
     * Of a block.
     *
     * @param key the stage in the journal
     * @param all blocks of the model
     */
    static TrainingCourse of(TrainedBlock block, String key, int all) {
        return new TrainingCourse(List.of(block), null, key, all);
    }

    /** Of all blocks. */
    static TrainingCourse of(TrainedModel model, String key) {
        return new TrainingCourse(model.blocks(), model, key, model.blocks().size());
    }

    /** Its block, or the first one. */
    TrainedBlock block() {
        return blocks.get(0);
    }

    List<TrainedBlock> blocks() {
        return blocks;
    }

    /** Null when it is a block by itself. */
    TrainedModel model() {
        return model;
    }

    String key() {
        return key;
    }

    QatSettings settings() {
        return block().settings();
    }

    List<TrainedSequence> sequences() {
        return block().sequences();
    }

    /** What a sequence's error is divided by: its elements, or its tokens where that is a divergence of each. */
    long terms(int sequence) {
        long tokens = sequences().get(sequence).tokens();
        return model == null ? tokens * block().config().width() : tokens;
    }

    /** For people: what is trained. */
    String what() {
        return model == null ? "block " + block().index() : "all blocks";
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
        return log != null && log.isOver(settings());
    }

    void reached(TrainingLog now, double after) {
        log = now;
        seconds = after;
    }

    /** Steps that are made when the training is kept next. */
    int next() {
        int every = settings().measureEvery();
        int steps = log == null ? 0 : log.steps();
        return Math.min(settings().steps(), (steps / every + 1) * every);
    }

    /** For people: where it is, and how long the rest of this kind may take. */
    String line(int stepsBefore, double secondsBefore) {
        int steps = settings().steps();
        int made = log.steps() - stepsBefore;
        double each = made > 0 ? (seconds - secondsBefore) / made : 0;
        int following = model == null ? all - block().index() - 1 : 0;
        long left = Math.round(each * ((isOver() ? 0 : steps - log.steps()) + (long) steps * following));
        return "spark-gguf: %s, step %d of %d: held-out %s %.4g of the start's, best %.4g; %.3g s a step, at most %d:%02d left of training %s"
                .formatted(
                        model == null ? "block " + (block().index() + 1) + " of " + all : "all blocks together",
                        log.steps(),
                        steps,
                        model == null ? "error" : "divergence",
                        log.heldOut().get(log.heldOut().size() - 1) / log.before(),
                        log.best() / log.before(),
                        each,
                        left / 60,
                        left % 60,
                        model == null ? "blocks" : "them together");
    }
}
