package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.job.qat.TrainedBlock;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** What the stages of all blocks share: where things are, which weights tasks compute by, and the memory of their results. */
final class BlockStages {
    /** Kinds of stages that make parts of what is trained then. */
    static final List<String> SOLVERS = List.of("solve", "guard", "round");

    private final QuantizeSettings settings;
    private final Plan plan;
    private final CalibrationPlan calibration;
    private final WorkFolder work;
    private final Storage storage;
    private final RememberedStages remembered;
    private final ModelWeights original;
    private final List<List<WorkUnit>> unitsOf = new ArrayList<>();
    private final UnitResult[] results;
    private final Map<String, Long> memory;

    BlockStages(Session session, QuantizeSettings settings, Prepared prepared, WorkFolder work, Progress progress) {
        this.settings = settings;
        this.plan = prepared.plan();
        this.calibration = prepared.calibration();
        this.work = work;
        this.storage = prepared.pin(session.storage());
        this.remembered = new RememberedStages(session, work.journal(), progress);
        this.original = ModelWeights.of(prepared.checkpoint().model());
        plan.tensors().forEach(tensor -> unitsOf.add(new ArrayList<>()));
        plan.units().forEach(unit -> unitsOf.get(unit.tensor()).add(unit));
        results = new UnitResult[plan.units().size()];
        memory = calibration.memory(plan, calibration.blocks(plan));
    }

    Storage storage() {
        return storage;
    }

    Plan plan() {
        return plan;
    }

    WorkFolder work() {
        return work;
    }

    CalibrationPlan calibration() {
        return calibration;
    }

    Journal journal() {
        return work.journal();
    }

    /** The units of a tensor. */
    List<WorkUnit> unitsOf(int tensor) {
        return unitsOf.get(tensor);
    }

    /** What units came to by now, by id; null for those that are not done. */
    UnitResult[] results() {
        return results;
    }

    /**
     * Removes parts in whose place are those of another stage. What the first one came to stands with the second one's
     * parts from now on: should one of these be lost, the unit is solved and judged again. Units that the first stage did not
     * do are passed over.
     *
     * @param items of the second stage
     */
    void replace(String first, String second, List<SolveTask.Item> items) throws IOException {
        replaceUnits(first, second, items.stream().map(SolveTask.Item::unit).toList());
    }

    /** The same with units of any stage. */
    void replaceUnits(String first, String second, List<WorkUnit> units) throws IOException {
        List<Written> gone = new ArrayList<>();
        for (WorkUnit replaced : units) {
            String unit = Integer.toString(replaced.id());
            SolveTask.Result result = journal().known(first, unit, SolveTask.Result.class);
            if (result == null) {
                continue;
            }
            List<Written> before = journal().files(first, unit);
            List<Written> now = journal().files(second, unit);
            if (!before.equals(now)) {
                journal().record(first, unit, result, now);
                gone.addAll(before);
            }
        }
        journal().flush();
        for (Written file : gone) {
            storage.delete(file.file());
        }
    }

    /** Whether a unit's result of a stage stands with the part of another kind of stage. */
    boolean isReplaced(String stage, WorkUnit unit, String kind) {
        String part = work.part(WorkFolder.partName(unit.id(), kind));
        return journal().files(stage, Integer.toString(unit.id())).stream()
                .anyMatch(file -> file.file().equals(part));
    }

    /** Wall time by kind of stage. */
    Map<String, Double> seconds() {
        return remembered.seconds();
    }

    /** A stage of a block, as people and the journal name it. */
    String name(int block, String what) {
        return (block == calibration.config().blocks() ? "head" : "blk." + block) + ": " + what;
    }

    /** What tasks do with shards, by the checkpoint's weights but for those of {@code quantized}, if not null. */
    ShardTasks tasks(ModelWeights quantized) {
        return new ShardTasks(
                storage, calibration.folder(), calibration.config(), weights(quantized), calibration.corrects());
    }

    /** The weights that later inputs are made with, for tensors that are quantized; null for the checkpoint's own. */
    ModelWeights propagated(Collection<Integer> tensors) {
        return calibration.settings().propagate() == CalibrationSettings.Propagate.ORIGINAL ? null : parts(tensors);
    }

    /** Does something with shards; one task each. */
    List<ShardTasks.Outcome> shards(
            String kind, String name, String key, List<Shard> shards, Stage.Task<Shard, ShardTasks.Outcome> task)
            throws IOException {
        return run(
                kind,
                key,
                Stage.of(name, shards, Noted.of(task)).cost(Shard::tokens).size(Shard::tokens, Progress.Unit.TOKENS),
                BlockStages::item,
                ShardTasks.Outcome.class);
    }

    /** The checkpoint's weights, but for those of {@code quantized}, if not null. */
    BlendedWeights weights(ModelWeights quantized) {
        return new BlendedWeights(original, quantized, settings.allowNonFinite());
    }

    /** The weights of tensors whose units are done. */
    ModelWeights parts(Collection<Integer> tensors) {
        return PartWeights.of(plan, unitsOf, unit -> part(unit.id()), tensors);
    }

    /** The file of a unit that is done. */
    String part(int unit) {
        return work.part(results[unit].part());
    }

    /**
     * The layers of a block that are trained, as far as is known: of what is solved, no ternary weights of
     * ternary types, which are on their grid already.
     */
    EnumMap<Layer, Integer> trained(CalibrationPlan.Block block) {
        EnumMap<Layer, Integer> layers = calibration.qat().layers(plan, block);
        layers.values().removeIf(tensor -> isTernary(block.index(), tensor));
        return layers;
    }

    private boolean isTernary(int block, int tensor) {
        return UnitChecks.isTernary(plan.tensors().get(tensor).type())
                && unitsOf(tensor).stream()
                        .allMatch(unit -> SOLVERS.stream()
                                .map(kind -> journal()
                                        .known(name(block, kind), Integer.toString(unit.id()), SolveTask.Result.class))
                                .anyMatch(result -> result != null
                                        && result.unit().error().ternary().isTernary()));
    }

    /** What the training of a tensor begins with. */
    TrainedBlock.Start start(int tensor) {
        List<String> parts = new ArrayList<>();
        unitsOf(tensor).forEach(unit -> parts.add(part(unit.id())));
        return new TrainedBlock.Start(plan.tensors().get(tensor).type(), parts);
    }

    /** Bytes that a task of a kind holds. */
    long memory(String kind) {
        return memory.get(kind);
    }

    /** Counts wall time of stages that ran elsewhere. */
    void spent(String kind, double seconds) {
        remembered.seconds().merge(kind, seconds, Double::sum);
    }

    /** A shard's name in the journal. */
    static String item(Shard shard) {
        return Integer.toString(shard.id());
    }

    /** Runs a stage as {@link RememberedStages#run}, with the memory that its kind takes. */
    <T extends Serializable, R> List<R> run(
            String kind, String key, Stage<T, Noted<R>> stage, Function<T, String> item, Class<R> type)
            throws IOException {
        Long held = memory.get(kind.equals("embed") || kind.equals("propagate") ? "forward" : kind);
        if (held != null) {
            stage.memory(any -> held);
        }
        return remembered.run(kind, key, stage, item, type);
    }
}
