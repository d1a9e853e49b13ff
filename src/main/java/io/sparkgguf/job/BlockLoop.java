package io.sparkgguf.job;

import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Inventory;
import io.sparkgguf.job.work.Journal;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Takes the calibration tokens through the model block by block, and solves each block against what its layers read. The
 * driver sees names and small figures only: hidden states, Hessians and weights are in files that tasks read and write.
 *
 * <p>All results are in the journal, so that a run that goes on where another ended goes through the same blocks and
 * stages and does what is not known. Of a block that is done, the results of its units are kept, and what its Hessians
 * came to; should a part be lost later, the block is opened again for it, with hidden states made anew.
 */
final class BlockLoop {
    private static final String GUARD = "guard";

    /** How often what was lost while the loop was at work is made again before it is given up. */
    private static final int ROUNDS = 3;

    private final Session session;
    private final QuantizeSettings settings;
    private final Plan plan;
    private final CalibrationPlan calibration;
    private final CalibrationSettings asked;
    private final WorkFolder work;
    private final Journal journal;
    private final Storage storage;
    private final Progress progress;
    private final BlockStages stages;
    private final BlockTraining training;
    private final Map<Integer, TensorOutcome> outcomes = new TreeMap<>();
    private final List<String> notes = new ArrayList<>();
    private HiddenChain hidden;
    /** Notes that the seal of a block has already. */
    private int told;

    private String endedBy;

    BlockLoop(Session session, QuantizeSettings settings, Prepared prepared, WorkFolder work, Progress progress) {
        this.session = session;
        this.settings = settings;
        this.plan = prepared.plan();
        this.calibration = prepared.calibration();
        this.asked = calibration.settings();
        this.work = work;
        this.journal = work.journal();
        this.storage = prepared.pin(session.storage());
        this.progress = progress;
        stages = new BlockStages(session, settings, prepared, work, progress);
        training = new BlockTraining(session, stages, settings.allowNonFinite(), progress);
    }

    /**
     * What the loop came to.
     *
     * @param units results by unit id
     * @param tensors what became of each tensor that calibration reached, by index of the plan
     * @param seconds of wall time by stage, over all blocks
     * @param notes what was not as asked
     * @param training what became of blocks that were trained; null when none were to be
     * @param together what became of all blocks that were trained together; null when they were not to be, or not reached
     */
    record Outcome(
            List<UnitResult> units,
            Map<Integer, TensorOutcome> tensors,
            Map<String, Double> seconds,
            List<String> notes,
            List<CalibrationReport.TrainedBlock> training,
            CalibrationReport.TrainedModel together) {}

    /** Does it. When files of the work folder turn out lost or damaged, goes back to what made them. */
    Outcome run() throws IOException {
        if (work.isResumed()) {
            check();
        }
        for (int round = 1; ; round++) {
            try {
                return loop();
            } catch (IOException | InvalidInputException e) {
                if (round == ROUNDS || session.isInterrupted() || !mayBeLoss(e) || !check()) {
                    throw e;
                }
            }
        }
    }

    /** Whether something was lost, which is not known any more then. */
    private boolean check() throws IOException {
        return !Inventory.check(session, storage, journal, progress).isEmpty();
    }

    /** Whether a failure speaks of reading a file in the work folder. */
    private boolean mayBeLoss(Exception failure) {
        String message = String.valueOf(failure.getMessage());
        return message.contains(work.folder()) && !message.startsWith("Cannot write");
    }

    private Outcome loop() throws IOException {
        Arrays.fill(stages.results(), null);
        outcomes.clear();
        notes.clear();
        told = 0;
        endedBy = null;
        List<CalibrationPlan.Block> blocks = calibration.blocks(plan);
        for (CalibrationPlan.Block block : blocks) {
            training.mend(block, stages.name(block.index(), "done"));
        }
        List<Integer> start = start(blocks);
        hidden = new HiddenChain(stages, blocks, start);
        long sealed = blocks.stream().filter(block -> seal(block) != null).count();
        if (sealed > 0) {
            progress.say("spark-gguf: " + sealed + " of " + blocks.size() + " blocks are done");
        }
        solve("start: quantize", rounded(start, true), null);
        for (CalibrationPlan.Block block : blocks) {
            boolean followed = blocks.subList(blocks.indexOf(block) + 1, blocks.size()).stream()
                    .anyMatch(later -> !later.inputs().isEmpty());
            block(block, followed);
        }
        if (calibration.trainsSideBySide()) {
            train(blocks);
        }
        CalibrationReport.TrainedModel together = trainTogether(blocks);
        return new Outcome(
                List.of(stages.results()),
                outcomes,
                stages.seconds(),
                List.copyOf(notes),
                calibration.qat() == null ? null : training.reports(),
                together);
    }

    /** Tensors that are of no block. */
    private List<Integer> start(List<CalibrationPlan.Block> blocks) {
        boolean[] later = new boolean[plan.tensors().size()];
        blocks.forEach(block -> block.tensors().forEach(tensor -> later[tensor] = true));
        List<Integer> start = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            if (!later[tensor.index()]) {
                start.add(tensor.index());
            }
        }
        return start;
    }

    /** Not null for a block that is done, unless its Hessians are needed again for a part of it. */
    private BlockSeal seal(CalibrationPlan.Block block) {
        BlockSeal seal = journal.known(stages.name(block.index(), "done"), BlockSeal.ITEM, BlockSeal.class);
        if (seal == null) {
            return null;
        }
        String solve = stages.name(block.index(), "solve");
        List<String> units = new ArrayList<>();
        List<String> guarded = new ArrayList<>();
        for (HessianTasks.Factored factored : seal.factored()) {
            for (int tensor : tensors(block, List.of(factored.input()))) {
                for (WorkUnit unit : stages.unitsOf(tensor)) {
                    units.add(Integer.toString(unit.id()));
                    if (stages.isReplaced(solve, unit, GUARD)) {
                        guarded.add(Integer.toString(unit.id()));
                    }
                }
            }
        }
        return journal.knowsAll(solve, units) && journal.knowsAll(stages.name(block.index(), GUARD), guarded)
                ? seal
                : null;
    }

    private void block(CalibrationPlan.Block block, boolean followed) throws IOException {
        BlockSeal seal = seal(block);
        List<Integer> done = new ArrayList<>();
        List<HessianTasks.Factored> factored = new ArrayList<>();
        List<BlockHessians> seen = new ArrayList<>();
        if (seal != null) {
            notes.addAll(seal.notes());
            endedBy = seal.endedBy();
        }
        for (List<LinearInput> inputs : seal == null && endedBy != null ? List.<List<LinearInput>>of() : steps(block)) {
            List<HessianTasks.Factored> found =
                    seal != null ? seal.of(inputs) : see(block, inputs, done, followed, seen);
            if (found == null) {
                break;
            }
            solve(block, inputs, found);
            factored.addAll(found);
            done.addAll(tensors(block, inputs));
        }
        List<Integer> open = new ArrayList<>(block.tensors());
        open.removeAll(done);
        solve(stages.name(block.index(), "round"), rounded(open, false), null);
        if (seal == null && endedBy == null && calibration.qat() != null) {
            ShardTasks.Outcome nonFinite = hidden.require(block.index()).orElse(null);
            isFinite(nonFinite != null ? nonFinite : training.see(block));
        }
        if (!calibration.trainsSideBySide()) {
            train(List.of(block));
        }
        if (seal == null) {
            seal(block, factored, seen);
        } else {
            told = notes.size();
        }
    }

    /** Trains blocks, if they are to be and calibration came to them. */
    private void train(List<CalibrationPlan.Block> blocks) throws IOException {
        List<CalibrationPlan.Block> seen =
                blocks.stream().filter(training::isSeen).toList();
        if (!seen.isEmpty()) {
            List<String> found =
                    training.train(seen, outcomes, calibration.config().blocks());
            notes.addAll(found);
            told += found.size(); // training tells them again by itself
        }
    }

    /** Trains all blocks together, if they are to be and calibration came to the last one. */
    private CalibrationReport.TrainedModel trainTogether(List<CalibrationPlan.Block> blocks) throws IOException {
        if (calibration.qat() == null) {
            return null;
        }
        calibration.qat().whyNotTogether().ifPresent(why -> progress.say("spark-gguf: " + why));
        if (!calibration.qat().trainsTogether()) {
            return null;
        }
        if (endedBy != null) {
            notes.add("all blocks are not trained together, for calibration ended early");
            return null;
        }
        return new ModelTraining(session, stages, settings.allowNonFinite(), progress)
                .train(blocks.subList(0, calibration.config().blocks()), outcomes, notes);
    }

    /** Sees inputs of a block; null when an activation is no finite number. */
    private List<HessianTasks.Factored> see(
            CalibrationPlan.Block block,
            List<LinearInput> inputs,
            List<Integer> done,
            boolean followed,
            List<BlockHessians> seen)
            throws IOException {
        boolean first = seen.isEmpty();
        if (first && !isFinite(hidden.require(block.index()).orElse(null))) {
            return null;
        }
        BlockHessians hessians = new BlockHessians(stages, block, inputs);
        seen.add(hessians);
        BlockHessians.Seen result =
                hessians.see(done, first && followed ? kept(steps(block).size()) : ShardTasks.Keep.NOTHING);
        return isFinite(result.nonFinite()) ? result.factored() : null;
    }

    /** What the first of so many passes over a block's inputs moves on. */
    private ShardTasks.Keep kept(int steps) {
        if (calibration.corrects()) {
            return ShardTasks.Keep.ORIGINAL_HIDDEN;
        }
        boolean all = asked.propagate() == CalibrationSettings.Propagate.ORIGINAL && steps == 1;
        return all ? ShardTasks.Keep.HIDDEN : ShardTasks.Keep.NOTHING;
    }

    /** The inputs of a block, those together that are seen in one pass. */
    private List<List<LinearInput>> steps(CalibrationPlan.Block block) {
        return calibration.steps(block).stream()
                .map(step -> step.stream().map(CalibrationPlan.Input::input).toList())
                .toList();
    }

    /** The tensors that read inputs. */
    private static List<Integer> tensors(CalibrationPlan.Block block, List<LinearInput> inputs) {
        List<Integer> tensors = new ArrayList<>();
        for (LinearInput input : inputs) {
            tensors.addAll(block.inputs().get(input).solved());
            tensors.addAll(block.inputs().get(input).weighted());
        }
        return tensors;
    }

    private void solve(CalibrationPlan.Block block, List<LinearInput> inputs, List<HessianTasks.Factored> factored)
            throws IOException {
        HessianTasks hessians = BlockHessians.tasks(stages, block.index());
        boolean held = calibration.tokens().heldOut().count() > 0;
        List<SolveTask.Item> items = new ArrayList<>();
        for (int i = 0; i < inputs.size(); i++) {
            CalibrationPlan.Input input = block.inputs().get(inputs.get(i));
            HessianTasks.Factored found = factored.get(i);
            boolean solvable = found.fallback() == null;
            for (int tensor : input.solved()) {
                outcomes.put(tensor, TensorOutcome.begin(found, calibration.tokens(), solvable));
                for (WorkUnit unit : stages.unitsOf(tensor)) {
                    items.add(
                            solvable
                                    ? new SolveTask.Item(
                                            unit, found, calibration.tokens().counted(false), held)
                                    : new SolveTask.Item(weighted(unit, found), null, 0, false));
                }
            }
            for (int tensor : input.weighted()) {
                outcomes.put(tensor, TensorOutcome.begin(found, calibration.tokens(), false));
                for (WorkUnit unit : stages.unitsOf(tensor)) {
                    items.add(new SolveTask.Item(weighted(unit, found), null, 0, false));
                }
            }
        }
        List<SolveTask.Result> solved = solve(stages.name(block.index(), "solve"), items, hessians);
        for (int i = 0; i < items.size(); i++) {
            SolveTask.Result result = solved.get(i);
            if (result.errors() != null) {
                int tensor = items.get(i).unit().tensor();
                outcomes.get(tensor).add(result.errors());
            }
        }
        List<SolveTask.Item> again = new ArrayList<>();
        for (int i = 0; i < inputs.size(); i++) {
            for (int tensor : block.inputs().get(inputs.get(i)).solved()) {
                TensorOutcome outcome = outcomes.get(tensor);
                if (held && outcome.isSolved() && !outcome.judge()) {
                    for (WorkUnit unit : stages.unitsOf(tensor)) {
                        again.add(new SolveTask.Item(weighted(unit, factored.get(i)), null, 0, false));
                    }
                }
            }
        }
        String guard = stages.name(block.index(), GUARD);
        solve(guard, again, hessians);
        stages.replace(stages.name(block.index(), "solve"), guard, again);
    }

    /** A unit that is rounded with the importance of its input, if the tokens say anything of that. */
    private static WorkUnit weighted(WorkUnit unit, HessianTasks.Factored factored) {
        return factored.isDead() ? unit.withoutImportance() : unit;
    }

    /** Items that round tensors; those of blocks that calibration did not reach have no importance of it. */
    private List<SolveTask.Item> rounded(List<Integer> tensors, boolean importance) {
        List<SolveTask.Item> items = new ArrayList<>();
        for (int tensor : tensors) {
            boolean without = !importance && calibrated(plan.tensors().get(tensor));
            if (without) {
                outcomes.put(tensor, TensorOutcome.unreached(endedBy));
            }
            for (WorkUnit unit : stages.unitsOf(tensor)) {
                items.add(new SolveTask.Item(without ? unit.withoutImportance() : unit, null, 0, false));
            }
        }
        return items;
    }

    /** Whether the tensor's importance, or result, was to come from calibration. */
    private boolean calibrated(PlannedTensor tensor) {
        return calibration.solves(tensor.choice())
                || tensor.importance() != null
                        && tensor.importance()
                                .entry()
                                .file()
                                .startsWith(calibration.folder().folder());
    }

    private List<SolveTask.Result> solve(String name, List<SolveTask.Item> items, HessianTasks hessians)
            throws IOException {
        if (items.isEmpty()) {
            return List.of();
        }
        SolveTask task = new SolveTask(
                storage,
                work.parts(),
                Stage.kind(name),
                settings.allowNonFinite(),
                hessians,
                asked.gptq(),
                calibration.corrects() ? asked.targetCorrection() : 0);
        List<SolveTask.Result> solved = stages.run(
                "solve",
                name,
                Stage.of(name, items, Noted.of(task::run))
                        .describe(TensorNames.behind(
                                name, items.stream().map(item -> item.unit().name())))
                        .cost(item -> item.unit().cost())
                        .size(item -> item.unit().sourceBytes() + item.unit().bytes())
                        .memory(item -> item.unit().memory()),
                item -> Integer.toString(item.unit().id()),
                SolveTask.Result.class);
        solved.forEach(result -> stages.results()[result.unit().unit()] = result.unit());
        return solved;
    }

    /** Ends the run, or the calibration, when an activation was no finite number. */
    private boolean isFinite(ShardTasks.Outcome nonFinite) {
        if (nonFinite == null) {
            return true;
        }
        if (asked.stopOnNonFinite()) {
            throw ShardTasks.refusal(nonFinite);
        }
        endedBy = nonFinite.nonFinite();
        notes.add("calibration ended early, what follows is rounded plainly: " + endedBy);
        return false;
    }

    private void seal(CalibrationPlan.Block block, List<HessianTasks.Factored> factored, List<BlockHessians> seen)
            throws IOException {
        List<String> fresh = List.copyOf(notes.subList(told, notes.size()));
        told = notes.size();
        journal.record(
                stages.name(block.index(), "done"), BlockSeal.ITEM, new BlockSeal(factored, fresh, endedBy), List.of());
        journal.flush();
        work.keepIfRefused();
        for (BlockHessians hessians : seen) {
            hessians.release();
        }
    }
}
