package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.job.qat.TrainedModel;
import io.sparkgguf.job.qat.TrainingTasks;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.TrainingLog;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Trains all blocks together behind {@link BlockTraining}, towards the predictions of the original model. The driver sees
 * divergences and names of files only.
 *
 * <p>Its parts stand beside those that it began with, which stay: should one be lost, it is cut again of the blocks that
 * training ended with; should one of these be lost, training begins again. The same bytes in either case.
 */
final class ModelTraining {
    /** Takes tokens through the original model. */
    static final String TEACH = "teach model";

    private static final String TEACH_STAGE = "model: teach";
    private static final String TRAIN_STAGE = "model: train";
    private static final String TRAINED_STAGE = "model: trained";
    private static final String KIND = "together";
    private static final String END = "end";

    private final Session session;
    private final BlockStages stages;
    private final QatPlan qat;
    private final Plan plan;
    private final Journal journal;
    private final Storage storage;
    private final CalibrationFolder folder;
    private final boolean allowNonFinite;
    private final Progress progress;

    ModelTraining(Session session, BlockStages stages, boolean allowNonFinite, Progress progress) {
        this.session = session;
        this.stages = stages;
        this.qat = stages.calibration().qat();
        this.plan = stages.plan();
        this.journal = stages.journal();
        this.storage = stages.storage();
        this.folder = stages.calibration().folder();
        this.allowNonFinite = allowNonFinite;
        this.progress = progress;
    }

    /**
     * Does it, and puts its parts in the place of those of the blocks' own training.
     *
     * @param blocks all of the model, each done
     * @param outcomes by tensor, of which those that were trained are told
     * @param notes receives what was not as asked
     * @return what became of it; null when there is nothing to train, or activations are no finite numbers
     */
    CalibrationReport.TrainedModel train(
            List<CalibrationPlan.Block> blocks, Map<Integer, TensorOutcome> outcomes, List<String> notes)
            throws IOException {
        if (blocks.stream().allMatch(block -> stages.trained(block).isEmpty())) {
            return null;
        }
        TrainedModel model = model(blocks);
        BlockTraining.Ended ended = journal.known(TRAIN_STAGE, END, BlockTraining.Ended.class);
        if (ended == null) {
            ShardTasks.Outcome nonFinite = teach();
            if (nonFinite != null) {
                notes.add("all blocks are not trained together: " + nonFinite.nonFinite());
                return null;
            }
            ended = run(model);
        }
        TrainingLog log = ended.log();
        if (log.bestStep() > 0) {
            cut(blocks, model, log.bestStep(), outcomes);
        }
        if (log.diverged()) {
            notes.add(
                    "all blocks together: training diverged at step %d of %d, they keep what was best before, of step %d"
                            .formatted(log.steps() + 1, qat.modelSettings().steps(), log.bestStep()));
        }
        return new CalibrationReport.TrainedModel(
                model.blocks().stream().mapToInt(block -> block.layers().size()).sum(),
                log.end().name().toLowerCase(Locale.ROOT),
                log.steps(),
                log.bestStep(),
                BlockTraining.finite(log.before()),
                BlockTraining.finite(log.best()),
                log.heldOut().stream()
                        .map(divergence -> ReportBuilder.significant(divergence / log.before()))
                        .toList(),
                Math.round(ended.seconds() * 1000) / 1000.0);
    }

    private TrainedModel model(List<CalibrationPlan.Block> blocks) {
        BlendedWeights original = stages.weights(null);
        BlendedWeights now = stages.weights(quantized());
        ArrayList<TrainedBlock> all = new ArrayList<>();
        for (CalibrationPlan.Block block : blocks) {
            EnumMap<Layer, TrainedBlock.Start> starts = new EnumMap<>(Layer.class);
            stages.trained(block).forEach((layer, tensor) -> starts.put(layer, stages.start(tensor)));
            all.add(new TrainedBlock(
                    block.index(),
                    stages.calibration().config(),
                    qat.modelSettings(),
                    starts,
                    original,
                    now,
                    new ArrayList<>(qat.modelSequences(storage, folder)),
                    folder.modelTraining(storage, block.index())));
        }
        return new TrainedModel(all);
    }

    /** The whole model, as it is behind the training of its blocks. */
    private ModelWeights quantized() {
        return stages.parts(plan.tensors().stream().map(PlannedTensor::index).toList());
    }

    /** Not null for a shard that is not finite. */
    private ShardTasks.Outcome teach() throws IOException {
        storage.createFolder(folder.modelTraining(storage));
        ArrayList<ShardTasks.Tokens> tokens = new ArrayList<>();
        for (Shard shard : qat.shards()) {
            tokens.add(
                    new ShardTasks.Tokens(shard, stages.calibration().tokens().of(shard)));
        }
        ShardTasks tasks = stages.tasks(quantized());
        return stages
                .run(
                        TEACH,
                        TEACH_STAGE,
                        Stage.of(TEACH_STAGE, tokens, Noted.of(tasks::teachModel))
                                .cost(item -> item.shard().tokens())
                                .size(item -> item.shard().tokens(), Progress.Unit.TOKENS),
                        item -> BlockStages.item(item.shard()),
                        ShardTasks.Outcome.class)
                .stream()
                .filter(outcome -> outcome.nonFinite() != null)
                .findFirst()
                .orElse(null);
    }

    private BlockTraining.Ended run(TrainedModel model) throws IOException {
        for (TrainedBlock block : model.blocks()) {
            storage.createFolder(block.folder());
        }
        TrainingCourse course = TrainingCourse.of(model, TRAIN_STAGE);
        TrainingStages training = new TrainingStages(session, stages, progress);
        training.sequences(course);
        BlockTraining.Ended ended = new BlockTraining.Ended(course.log(), course.seconds());
        List<String> best = training.best(course);
        List<Written> state = journal.files(TRAIN_STAGE, TrainingCourse.STATE);
        List<Written> kept =
                state.stream().filter(file -> best.contains(file.file())).toList();
        journal.record(TRAIN_STAGE, END, ended, kept);
        journal.forget(TRAIN_STAGE, TrainingCourse.STATE);
        journal.forget(TEACH_STAGE);
        journal.flush();
        for (Written file : state) {
            if (!kept.contains(file)) {
                storage.delete(file.file());
            }
        }
        for (Shard shard : qat.shards()) {
            storage.delete(folder.modelInput(storage, shard));
            storage.delete(folder.modelTarget(storage, shard));
        }
        return ended;
    }

    private void cut(
            List<CalibrationPlan.Block> blocks, TrainedModel model, int step, Map<Integer, TensorOutcome> outcomes)
            throws IOException {
        TrainingTasks tasks = new TrainingTasks(storage);
        List<TrainedUnits.Item> items = new ArrayList<>();
        for (CalibrationPlan.Block block : blocks) {
            TrainedBlock trained = model.blocks().get(block.index());
            stages.trained(block).forEach((layer, tensor) -> {
                for (WorkUnit unit : stages.unitsOf(tensor)) {
                    items.add(new TrainedUnits.Item(
                            unit,
                            tasks.blocks(trained, layer, step),
                            Math.toIntExact(plan.tensors().get(tensor).bytes())));
                }
                if (outcomes.containsKey(tensor)) {
                    outcomes.get(tensor).trained();
                }
            });
        }
        new TrainedUnits(storage, stages.work().parts(), KIND, allowNonFinite).cut(stages, TRAINED_STAGE, items);
    }
}
