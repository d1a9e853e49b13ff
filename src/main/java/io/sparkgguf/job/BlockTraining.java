package io.sparkgguf.job;

import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.job.qat.TrainingTasks;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.TrainingLog;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Trains blocks that are solved, and puts what was trained in the place of what was solved. The driver sees errors and names
 * of files only.
 *
 * <p>How far a training is, is in the journal with the files that it goes on from, every few steps. Its parts replace those of
 * the solver when all of them are there; should one be lost later, the block is solved and trained again: the same bytes.
 */
final class BlockTraining {
    private static final String TEACH = "teach";
    private static final String TRAIN = "train";
    private static final String TRAINED = "trained";
    private static final String END = "end";

    private final Session session;
    private final BlockStages stages;
    private final QatPlan qat;
    private final Plan plan;
    private final Journal journal;
    private final Storage storage;
    private final Progress progress;
    private final boolean allowNonFinite;
    private final Map<Integer, CalibrationReport.TrainedBlock> reports = new TreeMap<>();

    BlockTraining(Session session, BlockStages stages, boolean allowNonFinite, Progress progress) {
        this.session = session;
        this.stages = stages;
        this.qat = stages.calibration().qat();
        this.plan = stages.plan();
        this.journal = stages.journal();
        this.storage = stages.storage();
        this.allowNonFinite = allowNonFinite;
        this.progress = progress;
    }

    /** How the training of a block ended. */
    record Ended(TrainingLog log, double seconds) {}

    /** What became of the blocks that were trained. */
    List<CalibrationReport.TrainedBlock> reports() {
        return List.copyOf(reports.values());
    }

    private String name(int block, String what) {
        return stages.name(block, what);
    }

    private EnumMap<Layer, Integer> layers(CalibrationPlan.Block block) {
        return qat == null ? new EnumMap<>(Layer.class) : stages.trained(block);
    }

    private List<WorkUnit> units(CalibrationPlan.Block block) {
        return layers(block).values().stream()
                .flatMap(tensor -> stages.unitsOf(tensor).stream())
                .toList();
    }

    private static List<String> ids(List<WorkUnit> units) {
        return units.stream().map(unit -> Integer.toString(unit.id())).toList();
    }

    private Ended ended(int block) {
        return journal.known(name(block, TRAIN), END, Ended.class);
    }

    private boolean knowsParts(int block, List<WorkUnit> units) {
        return journal.knowsAll(name(block, TRAINED), ids(units));
    }

    /**
     * Looks at what is known of a block before anything is done with it: when some of what came of training was lost, what is
     * left of it is forgotten, and what it began with.
     *
     * @param done the stage that says that the block is done
     */
    void mend(CalibrationPlan.Block block, String done) throws IOException {
        int index = block.index();
        List<WorkUnit> units = units(block);
        if (units.isEmpty()) {
            return;
        }
        Ended ended = ended(index);
        boolean replaced = units.stream()
                .anyMatch(unit -> BlockStages.SOLVERS.stream()
                        .anyMatch(kind -> stages.isReplaced(name(index, kind), unit, TRAINED)));
        boolean solved = units.stream()
                .allMatch(unit -> BlockStages.SOLVERS.stream()
                        .anyMatch(kind -> journal.knowsAll(name(index, kind), ids(List.of(unit)))));
        boolean begun = replaced || journal.count(name(index, TRAINED)) > 0;
        if (ended == null ? begun : begun && !(solved && (knowsParts(index, units) || !replaced))) {
            for (String unit : ids(units)) {
                for (String kind : BlockStages.SOLVERS) {
                    journal.forget(name(index, kind), unit);
                }
            }
            journal.forget(name(index, TRAINED));
            journal.forget(name(index, TRAIN));
            journal.forget(name(index, TEACH));
            journal.forget(done);
            journal.flush();
        } else if (ended == null && !isTaught(index)) {
            journal.forget(done); // hidden states are needed once more
        }
    }

    /** Sees to it that what a block is trained with is there; its hidden states are. Not null for a shard that is not finite. */
    ShardTasks.Outcome see(CalibrationPlan.Block block) throws IOException {
        if (layers(block).isEmpty() || ended(block.index()) != null) {
            return null;
        }
        int index = block.index();
        CalibrationFolder folder = stages.calibration().folder();
        storage.createFolder(folder.training(storage, index));
        ShardTasks tasks = stages.tasks(null);
        boolean keep = qat.sideBySide();
        return stages
                .shards(
                        TEACH,
                        name(index, TEACH),
                        name(index, TEACH),
                        qat.shards(),
                        shard -> tasks.teach(index, shard, keep))
                .stream()
                .filter(outcome -> outcome.nonFinite() != null)
                .findFirst()
                .orElse(null);
    }

    /** Whether there is what a block is trained with, or it is trained already. */
    boolean isSeen(CalibrationPlan.Block block) {
        return !layers(block).isEmpty() && (ended(block.index()) != null || isTaught(block.index()));
    }

    private boolean isTaught(int block) {
        return qat.shards().stream()
                .map(shard -> journal.known(name(block, TEACH), BlockStages.item(shard), ShardTasks.Outcome.class))
                .allMatch(outcome -> outcome != null && outcome.nonFinite() == null);
    }

    /**
     * Trains blocks, side by side, and replaces their parts; of those that are done, takes what they came to.
     *
     * @param blocks all of them seen
     * @param outcomes by tensor, of which those that were trained are told
     * @param all blocks of the model
     * @return what was not as asked
     */
    List<String> train(List<CalibrationPlan.Block> blocks, Map<Integer, TensorOutcome> outcomes, int all)
            throws IOException {
        List<TrainingCourse> open = new ArrayList<>();
        for (CalibrationPlan.Block block : blocks) {
            if (ended(block.index()) == null) {
                open.add(TrainingCourse.of(trained(block), name(block.index(), TRAIN), all));
            }
        }
        TrainingStages training = new TrainingStages(session, stages, progress);
        if (qat.wholeBlocks()) {
            training.blocks(open);
        } else {
            for (TrainingCourse course : open) {
                training.sequences(course);
            }
        }
        for (TrainingCourse course : open) {
            journal.record(
                    course.key(),
                    END,
                    new Ended(course.log(), course.seconds()),
                    journal.files(course.key(), TrainingCourse.STATE));
        }
        List<String> notes = new ArrayList<>();
        for (CalibrationPlan.Block block : blocks) {
            adopt(block, outcomes, notes);
        }
        return notes;
    }

    private TrainedBlock trained(CalibrationPlan.Block block) {
        EnumMap<Layer, Integer> layers = layers(block);
        EnumMap<Layer, TrainedBlock.Start> starts = new EnumMap<>(Layer.class);
        layers.forEach((layer, tensor) -> starts.put(layer, stages.start(tensor)));
        CalibrationFolder folder = stages.calibration().folder();
        return new TrainedBlock(
                block.index(),
                stages.calibration().config(),
                qat.settings(),
                starts,
                stages.weights(null),
                stages.weights(stages.parts(block.tensors())),
                new ArrayList<>(qat.sequences(storage, folder, block.index())),
                folder.training(storage, block.index()));
    }

    private void adopt(CalibrationPlan.Block block, Map<Integer, TensorOutcome> outcomes, List<String> notes)
            throws IOException {
        int index = block.index();
        Ended ended = ended(index);
        TrainingLog log = ended.log();
        EnumMap<Layer, Integer> layers = layers(block);
        if (log.bestStep() > 0) {
            replace(block, log.bestStep());
            layers.values().forEach(tensor -> {
                if (outcomes.containsKey(tensor)) {
                    outcomes.get(tensor).trained();
                }
            });
        }
        String folder = stages.calibration().folder().training(storage, index);
        journal.releaseFiles(name(index, TRAIN), folder);
        journal.forget(name(index, TRAIN), TrainingCourse.STATE);
        journal.forget(name(index, TEACH));
        journal.flush();
        storage.delete(folder);
        if (log.diverged()) {
            notes.add("block %d: training diverged at step %d of %d, %s"
                    .formatted(
                            index,
                            log.steps() + 1,
                            qat.settings().steps(),
                            log.bestStep() == 0
                                    ? "it keeps what GPTQ made"
                                    : "it has what was best before, of step " + log.bestStep()));
        }
        reports.put(
                index,
                new CalibrationReport.TrainedBlock(
                        index,
                        layers.keySet().stream().map(layer -> layer.in(index)).toList(),
                        log.end().name().toLowerCase(java.util.Locale.ROOT),
                        log.steps(),
                        log.bestStep(),
                        finite(log.before()),
                        finite(log.best()),
                        log.heldOut().stream()
                                .map(error -> ReportBuilder.significant(error / log.before()))
                                .toList(),
                        Math.round(ended.seconds() * 1000) / 1000.0));
    }

    static Double finite(double value) {
        return Double.isFinite(value) ? ReportBuilder.significant(value) : null;
    }

    /** Makes parts of the blocks behind a step, and has them replace those of the solvers. */
    private void replace(CalibrationPlan.Block block, int step) throws IOException {
        int index = block.index();
        TrainingTasks tasks = new TrainingTasks(storage);
        TrainedBlock named = new TrainedBlock(
                index,
                null,
                null,
                null,
                null,
                null,
                List.of(),
                stages.calibration().folder().training(storage, index));
        List<TrainedUnits.Item> items = new ArrayList<>();
        layers(block).forEach((layer, tensor) -> {
            for (WorkUnit unit : stages.unitsOf(tensor)) {
                items.add(new TrainedUnits.Item(
                        unit,
                        tasks.blocks(named, layer, step),
                        Math.toIntExact(plan.tensors().get(tensor).bytes())));
            }
        });
        String stage = name(index, TRAINED);
        new TrainedUnits(storage, stages.work().parts(), TRAINED, allowNonFinite).cut(stages, stage, items);
        for (String kind : BlockStages.SOLVERS) {
            stages.replaceUnits(
                    name(index, kind),
                    stage,
                    items.stream().map(TrainedUnits.Item::unit).collect(Collectors.toList()));
        }
    }
}
