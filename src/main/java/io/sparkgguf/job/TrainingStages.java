package io.sparkgguf.job;

import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.job.qat.TrainingTasks;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.qat.Batches;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.TrainingLog;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The stages of trainings: whole blocks, each by one task for some steps, or the sequences and then the layers of a step, of one block or of all. */
final class TrainingStages {
    /** A sequence through all blocks. */
    static final String MODEL = "model gradients";

    private final Session session;
    private final BlockStages stages;
    private final Journal journal;
    private final Storage storage;
    private final Progress progress;
    private final TrainingTasks tasks;

    TrainingStages(Session session, BlockStages stages, Progress progress) {
        this.session = session;
        this.stages = stages;
        this.journal = stages.journal();
        this.storage = stages.storage();
        this.progress = progress;
        tasks = new TrainingTasks(storage);
    }

    /** How far a training is. */
    record Reached(TrainingLog log, double seconds) {}

    /** Takes what an earlier run came to. */
    private void recall(TrainingCourse course) {
        Reached reached = journal.known(course.key(), TrainingCourse.STATE, Reached.class);
        if (reached != null) {
            course.reached(reached.log(), reached.seconds());
            progress.say("spark-gguf: the training of %s goes on at step %d"
                    .formatted(course.what(), reached.log().steps()));
        }
    }

    /** Keeps how far a training is, with its files; removes those that it went on from before. */
    private void keep(TrainingCourse course, List<Written> files) throws IOException {
        List<Written> before = journal.files(course.key(), TrainingCourse.STATE);
        List<Written> now = new ArrayList<>(files);
        List<String> best = best(course); // may be of an earlier time
        now.removeIf(file -> isBlocks(course, file) && !best.contains(file.file()));
        before.stream()
                .filter(file -> best.contains(file.file()) && files.stream().noneMatch(file::equals))
                .forEach(now::add);
        journal.record(course.key(), TrainingCourse.STATE, new Reached(course.log(), course.seconds()), now);
        journal.flush();
        List<Written> gone = new ArrayList<>(before);
        gone.addAll(files);
        gone.removeAll(now);
        for (Written file : gone) {
            storage.delete(file.file());
        }
    }

    /** The files of a training's best blocks. */
    List<String> best(TrainingCourse course) {
        List<String> best = new ArrayList<>();
        for (TrainedBlock block : course.blocks()) {
            for (Layer layer : block.layers().keySet()) {
                best.add(tasks.blocks(block, layer, course.log().bestStep()));
            }
        }
        return best;
    }

    private boolean isBlocks(TrainingCourse course, Written file) {
        return course.blocks().stream()
                .anyMatch(block -> block.layers().keySet().stream()
                        .anyMatch(layer -> file.file().endsWith(suffix(block, layer))));
    }

    private String suffix(TrainedBlock block, Layer layer) {
        String file = tasks.blocks(block, layer, 0);
        return file.substring(file.indexOf("step-000000") + "step-000000".length());
    }

    /** Trains blocks side by side, each by one task. */
    void blocks(List<TrainingCourse> courses) throws IOException {
        courses.forEach(this::recall);
        while (true) {
            List<TrainingCourse> open =
                    courses.stream().filter(course -> !course.isOver()).toList();
            if (open.isEmpty()) {
                return;
            }
            ArrayList<TrainingTasks.Run> runs = new ArrayList<>();
            open.forEach(course -> runs.add(new TrainingTasks.Run(course.block(), course.log(), course.next())));
            String name = open.size() == 1 ? open.get(0).key() : "train";
            long start = System.nanoTime();
            List<Noted<TrainingLog>> results = run(
                    "train",
                    Stage.of(name, runs, Noted.of(tasks::run))
                            .describe(name + " to step " + runs.get(0).until() + ": " + open.size()
                                    + (open.size() == 1 ? " block" : " blocks")));
            double seconds = (System.nanoTime() - start) / 1e9;
            for (int i = 0; i < open.size(); i++) {
                TrainingCourse course = open.get(i);
                int steps = course.log() == null ? 0 : course.log().steps();
                double before = course.seconds();
                course.reached(results.get(i).result(), before + seconds);
                keep(course, results.get(i).files());
                progress.say(course.line(steps, before));
            }
        }
    }

    private <T extends Serializable, R> List<R> run(String kind, Stage<T, R> stage) throws IOException {
        long start = System.nanoTime();
        long memory = stages.memory(kind);
        List<R> results = stage.memory(item -> memory).run(session, progress);
        stages.spent(kind, (System.nanoTime() - start) / 1e9);
        return results;
    }

    /** Trains a block or all together, each step's sequences by many tasks. */
    void sequences(TrainingCourse course) throws IOException {
        recall(course);
        Batches batches = new Batches(course.settings(), course.sequences().size());
        long start = System.nanoTime();
        double before = course.seconds();
        if (course.log() == null) {
            List<Written> files = move(course, 0, 0, false);
            TrainingLog log = TrainingLog.begin(measure(course, batches, 0));
            course.reached(log, before + (System.nanoTime() - start) / 1e9);
            keep(course, states(course, files, 0));
        } else if (!course.isOver()) {
            move(course, course.log().steps(), TrainingTasks.Move.VALUES, false);
        }
        int saidSteps = course.log().steps();
        double saidSeconds = course.seconds();
        List<Written> kept = new ArrayList<>();
        while (!course.isOver()) {
            int step = course.log().steps();
            int[] batch = batches.of(step);
            TrainingLog log = course.log().stepped(gradients(course, batch, step));
            if (!log.diverged()) {
                boolean measured = log.isMeasured(course.settings());
                kept = move(course, step + 1, batch.length, measured);
                for (TrainedBlock block : course.blocks()) {
                    for (String file : tasks.passing(block, step, batch.length)) {
                        storage.delete(file);
                    }
                }
                if (step % course.settings().measureEvery() != 0) { // else it is what the journal tells of
                    for (String file : states(course, step)) {
                        storage.delete(file);
                    }
                }
                if (measured) {
                    log = log.measured(measure(course, batches, step + 1));
                }
            }
            course.reached(log, before + (System.nanoTime() - start) / 1e9);
            if (log.diverged() || log.isMeasured(course.settings())) {
                keep(course, log.diverged() ? List.of() : kept);
                progress.say(course.line(saidSteps, saidSeconds));
                saidSteps = log.steps();
                saidSeconds = course.seconds();
            }
        }
    }

    private interface Maker<T> {
        T pass(int place, int sequence);
    }

    /** The error of a batch, whose sequences' gradients are written. */
    private double gradients(TrainingCourse course, int[] batch, int step) throws IOException {
        String what = "step " + (step + 1) + ": gradients of " + batch.length + " sequences";
        return course.model() == null
                ? passes(course, "gradients", what, batch, ofBlock(course, step), tasks::gradient)
                : passes(course, MODEL, what, batch, ofModel(course, step), tasks::modelGradient);
    }

    private double measure(TrainingCourse course, Batches batches, int step) throws IOException {
        int[] measured = batches.measured();
        String what = "behind step " + step + ": held-out error";
        return course.model() == null
                ? passes(course, "gradients", what, measured, ofBlock(course, step), tasks::error)
                : passes(course, MODEL, what, measured, ofModel(course, step), tasks::divergence);
    }

    private static Maker<TrainingTasks.Pass> ofBlock(TrainingCourse course, int step) {
        return (place, sequence) -> new TrainingTasks.Pass(course.block(), place, sequence, step);
    }

    private static Maker<TrainingTasks.ModelPass> ofModel(TrainingCourse course, int step) {
        return (place, sequence) -> new TrainingTasks.ModelPass(course.model(), place, sequence, step);
    }

    /** The mean error of sequences, a task each; added up as one task does it: sequence by sequence. */
    private <T extends TrainingTasks.OfSequence> double passes(
            TrainingCourse course,
            String kind,
            String what,
            int[] sequences,
            Maker<T> maker,
            Stage.Task<T, Double> task)
            throws IOException {
        ArrayList<T> passes = new ArrayList<>();
        for (int place = 0; place < sequences.length; place++) {
            passes.add(maker.pass(place, sequences[place]));
        }
        List<Double> errors = run(
                kind,
                Stage.of(course.key(), passes, task)
                        .describe(course.key() + ", " + what)
                        .size(pass -> course.sequences().get(pass.sequence()).tokens(), Progress.Unit.TOKENS));
        double sum = 0;
        long terms = 0;
        for (int i = 0; i < sequences.length; i++) {
            sum += errors.get(i);
            terms += course.terms(sequences[i]);
        }
        return sum / terms;
    }

    /** Moves all layers, and tells their files. */
    private List<Written> move(TrainingCourse course, int step, int sequences, boolean measured) throws IOException {
        ArrayList<TrainingTasks.Move> moves = new ArrayList<>();
        Set<String> passing = new HashSet<>();
        for (TrainedBlock block : course.blocks()) {
            for (Layer layer : block.layers().keySet()) {
                moves.add(new TrainingTasks.Move(block, layer, step, sequences, measured));
            }
            passing.addAll(tasks.passing(block, step, 0));
        }
        return run(
                        "layers",
                        Stage.of(course.key(), moves, Noted.of(tasks::move))
                                .describe(course.key() + ", step " + step + ": layers")
                                .cost(move -> move.layer().size(course.block().config()))
                                .size(move -> (long) Float.BYTES
                                        * move.layer().size(course.block().config())))
                .stream()
                .map(Noted::files)
                .flatMap(Collection::stream)
                .filter(file -> !passing.contains(file.file()))
                .toList();
    }

    private List<String> states(TrainingCourse course, int step) {
        return course.blocks().stream()
                .flatMap(block -> tasks.states(block, step).stream())
                .toList();
    }

    private List<Written> states(TrainingCourse course, List<Written> files, int step) {
        List<String> states = states(course, step);
        return files.stream().filter(file -> states.contains(file.file())).toList();
    }
}
