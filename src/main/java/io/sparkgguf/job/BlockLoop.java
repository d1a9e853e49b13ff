package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;

/**
 * Takes the calibration tokens through the model block by block, and solves each block against what its layers read. The
 * driver sees names and small figures only: hidden states, Hessians and weights are in files that tasks read and write.
 *
 * <p>A block is done when its manifest is there; a run that ended early goes on behind the last of them.
 */
final class BlockLoop {
    private final Session session;
    private final QuantizeSettings settings;
    private final Prepared prepared;
    private final Plan plan;
    private final CalibrationPlan calibration;
    private final CalibrationSettings asked;
    private final WorkFolder work;
    private final Storage storage;
    private final Progress progress;
    private final ModelWeights original;
    private final List<List<WorkUnit>> unitsOf = new ArrayList<>();
    private final UnitResult[] results;
    /** Bytes that a task holds, by stage; what solving holds is said by its units. */
    private final Map<String, Long> memory;

    private final Map<String, Double> seconds = new LinkedHashMap<>();
    private final Map<Integer, TensorOutcome> outcomes = new TreeMap<>();
    private final List<String> notes = new ArrayList<>();
    /** Notes that a manifest has already. */
    private int told;

    private String endedBy;

    BlockLoop(Session session, QuantizeSettings settings, Prepared prepared, WorkFolder work, Progress progress) {
        this.session = session;
        this.settings = settings;
        this.prepared = prepared;
        this.plan = prepared.plan();
        this.calibration = prepared.calibration();
        this.asked = calibration.settings();
        this.work = work;
        this.storage = prepared.pin(session.storage());
        this.progress = progress;
        this.original = ModelWeights.of(prepared.checkpoint().model());
        plan.tensors().forEach(tensor -> unitsOf.add(new ArrayList<>()));
        plan.units().forEach(unit -> unitsOf.get(unit.tensor()).add(unit));
        results = new UnitResult[plan.units().size()];
        memory = calibration.memory(calibration.blocks(plan));
    }

    /**
     * What the loop came to.
     *
     * @param units results by unit id
     * @param tensors what became of each tensor that calibration reached, by index of the plan
     * @param seconds of wall time by stage, over all blocks
     * @param notes what was not as asked
     */
    record Outcome(
            List<UnitResult> units,
            Map<Integer, TensorOutcome> tensors,
            Map<String, Double> seconds,
            List<String> notes) {}

    Outcome run() throws IOException {
        CalibrationFolder folder = calibration.folder();
        storage.createFolder(folder.hidden(storage));
        if (calibration.corrects()) {
            storage.createFolder(folder.originalHidden(storage));
        }
        List<CalibrationPlan.Block> blocks = calibration.blocks(plan);
        int next = restore(blocks.size());
        if (next < 0) {
            start(blocks);
            next = 0;
        }
        for (int block = next; block < blocks.size(); block++) {
            block(blocks.get(block), block == blocks.size() - 1);
        }
        return new Outcome(List.of(results), outcomes, seconds, notes);
    }

    /** The first block that is not done; -1 when not even the start is. */
    private int restore(int blocks) throws IOException {
        int next = -1;
        while (next < blocks) {
            String file = calibration.folder().manifest(storage, next);
            if (!storage.exists(file)) {
                break;
            }
            Manifest manifest = Manifest.read(storage, file);
            manifest.units().forEach(unit -> results[unit.unit()] = unit);
            outcomes.putAll(manifest.tensors());
            notes.addAll(manifest.notes());
            endedBy = manifest.endedBy();
            next++;
        }
        told = notes.size();
        if (next > 0) {
            progress.say("spark-gguf: going on behind block " + (next - 1) + " of " + blocks);
        }
        return next;
    }

    /** All that is not of a block, and the hidden states before the first one. */
    private void start(List<CalibrationPlan.Block> blocks) throws IOException {
        boolean[] later = new boolean[plan.tensors().size()];
        blocks.forEach(block -> block.tensors().forEach(tensor -> later[tensor] = true));
        List<Integer> now = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            if (!later[tensor.index()]) {
                now.add(tensor.index());
            }
        }
        solve("start: quantize", rounded(now, true), null);
        ShardTasks tasks = tasks(propagated(now));
        List<ShardTasks.Tokens> tokens = new ArrayList<>();
        for (Shard shard : calibration.shards()) {
            tokens.add(new ShardTasks.Tokens(shard, calibration.tokens().of(shard)));
        }
        requireFinite(run(
                "embed",
                Stage.of("start: embed", tokens, tasks::embed)
                        .cost(item -> item.shard().tokens())
                        .size(item -> item.shard().tokens(), Progress.Unit.TOKENS)));
        seal(-1, now);
    }

    private void block(CalibrationPlan.Block block, boolean last) throws IOException {
        CalibrationFolder folder = calibration.folder();
        storage.delete(folder.block(storage, block.index()));
        storage.createFolder(folder.block(storage, block.index()));
        List<Integer> open = new ArrayList<>(block.tensors());
        ShardTasks.Keep moved = ShardTasks.Keep.NOTHING;
        if (endedBy == null) {
            List<List<LinearInput>> steps = steps(block);
            ShardTasks.Keep keep = last ? ShardTasks.Keep.NOTHING : kept(steps.size());
            List<Integer> done = new ArrayList<>();
            for (List<LinearInput> inputs : steps) {
                boolean first = moved == ShardTasks.Keep.NOTHING;
                if (!step(block, inputs, done, first ? keep : ShardTasks.Keep.NOTHING)) {
                    break;
                }
                moved = keep;
            }
            open.removeAll(done);
        }
        solve(name(block, "round"), rounded(open, false), null);
        if (endedBy == null && !last) {
            propagate(block, moved);
        }
        seal(block.index(), block.tensors());
        storage.delete(folder.block(storage, block.index()));
        for (Shard shard : calibration.shards()) {
            storage.delete(folder.hidden(storage, block.index(), shard));
            if (calibration.corrects()) {
                storage.delete(folder.originalHidden(storage, block.index(), shard));
            }
        }
    }

    /** What the first of so many passes over a block's inputs moves on. */
    private ShardTasks.Keep kept(int steps) {
        if (calibration.corrects()) {
            return ShardTasks.Keep.ORIGINAL_HIDDEN;
        }
        boolean all = asked.propagate() == CalibrationSettings.Propagate.ORIGINAL && steps == 1;
        return all ? ShardTasks.Keep.HIDDEN : ShardTasks.Keep.NOTHING;
    }

    /** Moves on the hidden states that were not moved yet. */
    private void propagate(CalibrationPlan.Block block, ShardTasks.Keep moved) throws IOException {
        ShardTasks tasks = tasks(propagated(block.tensors()));
        int index = block.index(); // what a task takes along
        boolean finite = moved == ShardTasks.Keep.HIDDEN
                || requireFinite(shards(name(block, "propagate"), "propagate", shard -> tasks.propagate(index, shard)));
        if (finite && calibration.corrects() && moved != ShardTasks.Keep.ORIGINAL_HIDDEN) {
            requireFinite(shards(
                    name(block, "propagate original"), "propagate", shard -> tasks.propagateOriginal(index, shard)));
        }
    }

    private String name(CalibrationPlan.Block block, String what) {
        return (block.index() == calibration.config().blocks() ? "head" : "blk." + block.index()) + ": " + what;
    }

    private static Stream<String> names(List<LinearInput> inputs) {
        return inputs.stream().map(input -> input.name().toLowerCase(Locale.ROOT));
    }

    /** The inputs of a block, those together that are seen in one pass. */
    private List<List<LinearInput>> steps(CalibrationPlan.Block block) {
        List<LinearInput> all = List.copyOf(block.inputs().keySet());
        if (all.isEmpty()) {
            return List.of();
        }
        return asked.trueSequential() ? all.stream().map(List::of).toList() : List.of(all);
    }

    /**
     * Sees inputs, factors their Hessians and solves what reads them.
     *
     * @param done tensors of the block that are quantized already; those of the step are added
     * @return false when the activations were no finite numbers
     */
    private boolean step(
            CalibrationPlan.Block block, List<LinearInput> inputs, List<Integer> done, ShardTasks.Keep keep)
            throws IOException {
        CalibrationFolder folder = calibration.folder();
        boolean held = calibration.tokens().heldOut().count() > 0;
        Map<LinearInput, TileGrid> grids = new EnumMap<>(LinearInput.class);
        inputs.forEach(input -> grids.put(input, calibration.grid(block.inputs().get(input))));
        storage.createFolder(folder.partials(storage, block.index()));
        ShardTasks tasks = tasks(done.isEmpty() ? null : propagated(done));
        long memory = asked.work().taskMemory();
        int index = block.index();
        boolean head = index == calibration.config().blocks();
        TileGrid first = grids.get(inputs.get(0));
        if (!requireFinite(shards(
                name(block, "Hessians"),
                "hessians",
                head
                        ? shard -> tasks.headHessian(shard, first, memory)
                        : shard -> tasks.hessians(index, shard, grids, memory, keep)))) {
            return false;
        }

        HessianTasks hessians = new HessianTasks(storage, folder, index, asked.gptq(), asked.work());
        List<HessianTasks.TileItem> tiles = new ArrayList<>();
        List<HessianTasks.FactorItem> factors = new ArrayList<>();
        for (LinearInput input : inputs) {
            TileGrid grid = grids.get(input);
            boolean solved = !block.inputs().get(input).solved().isEmpty();
            boolean paired = solved && calibration.corrects();
            for (boolean heldOut : solved && held ? new boolean[] {false, true} : new boolean[] {false}) {
                storage.createFolder(folder.hessian(storage, index, input, heldOut));
                List<Shard> shards = calibration.shards().stream()
                        .filter(shard -> shard.heldOut() == heldOut)
                        .toList();
                add(tiles, input, grid, heldOut, shards);
                if (paired) {
                    storage.createFolder(folder.delta(storage, index, input, heldOut));
                    add(tiles, input, grid.all(), heldOut, shards);
                }
            }
            storage.createFolder(folder.factor(storage, index, input));
            factors.add(new HessianTasks.FactorItem(
                    input, grid, calibration.tokens().counted(false), solved, held, paired));
        }
        ToLongFunction<HessianTasks.TileItem> tileBytes =
                tile -> 8L * tile.grid().values() * tile.shards().size();
        run(
                "sums",
                Stage.of(name(block, "sums"), tiles, hessians::sum)
                        .describe(TensorNames.behind(name(block, "sums of"), names(inputs)))
                        .cost(tileBytes::applyAsLong)
                        .size(tileBytes));
        storage.delete(folder.partials(storage, index));
        List<HessianTasks.Factored> factored =
                new FactorStages(hessians, name(block, "factors"), stage -> run("factors", stage)).run(factors);

        solve(block, inputs, factored, held, hessians);
        for (LinearInput input : inputs) {
            done.addAll(block.inputs().get(input).solved());
            done.addAll(block.inputs().get(input).weighted());
        }
        return true;
    }

    private static void add(
            List<HessianTasks.TileItem> tiles, LinearInput input, TileGrid grid, boolean heldOut, List<Shard> shards) {
        for (int i = 0; i < grid.side(); i++) {
            for (int j = grid.begin(i); j < grid.end(i); j++) {
                tiles.add(new HessianTasks.TileItem(input, grid, heldOut, i, j, shards));
            }
        }
    }

    private void solve(
            CalibrationPlan.Block block,
            List<LinearInput> inputs,
            List<HessianTasks.Factored> factored,
            boolean held,
            HessianTasks hessians)
            throws IOException {
        List<SolveTask.Item> items = new ArrayList<>();
        for (int i = 0; i < inputs.size(); i++) {
            CalibrationPlan.Input input = block.inputs().get(inputs.get(i));
            HessianTasks.Factored found = factored.get(i);
            boolean solvable = found.fallback() == null;
            for (int tensor : input.solved()) {
                outcomes.put(tensor, TensorOutcome.begin(found, calibration.tokens(), solvable));
                for (WorkUnit unit : unitsOf.get(tensor)) {
                    items.add(
                            solvable
                                    ? new SolveTask.Item(
                                            unit, found, calibration.tokens().counted(false), held)
                                    : new SolveTask.Item(weighted(unit, found), null, 0, false));
                }
            }
            for (int tensor : input.weighted()) {
                outcomes.put(tensor, TensorOutcome.begin(found, calibration.tokens(), false));
                for (WorkUnit unit : unitsOf.get(tensor)) {
                    items.add(new SolveTask.Item(weighted(unit, found), null, 0, false));
                }
            }
        }
        List<SolveTask.Result> solved = solve(name(block, "solve"), items, hessians);
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
                    for (WorkUnit unit : unitsOf.get(tensor)) {
                        again.add(new SolveTask.Item(weighted(unit, factored.get(i)), null, 0, false));
                    }
                }
            }
        }
        solve(name(block, "guard"), again, hessians);
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
            for (WorkUnit unit : unitsOf.get(tensor)) {
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
                settings.allowNonFinite(),
                hessians,
                asked.gptq(),
                calibration.corrects() ? asked.targetCorrection() : 0);
        List<SolveTask.Result> solved = run(
                "solve",
                Stage.of(name, items, task::run)
                        .describe(TensorNames.behind(
                                name, items.stream().map(item -> item.unit().name())))
                        .cost(item -> item.unit().cost())
                        .size(item -> item.unit().sourceBytes() + item.unit().bytes())
                        .memory(item -> item.unit().memory()));
        solved.forEach(result -> results[result.unit().unit()] = result.unit());
        return solved;
    }

    /** The weights that later inputs are made with, for tensors that are quantized; null for the checkpoint's own. */
    private ModelWeights propagated(List<Integer> tensors) {
        return asked.propagate() == CalibrationSettings.Propagate.ORIGINAL
                ? null
                : PartWeights.of(plan, unitsOf, work, tensors);
    }

    private ShardTasks tasks(ModelWeights quantized) {
        BlendedWeights weights = new BlendedWeights(original, quantized, settings.allowNonFinite());
        return new ShardTasks(storage, calibration.folder(), calibration.config(), weights, calibration.corrects());
    }

    private List<ShardTasks.Outcome> shards(String name, String kind, Stage.Task<Shard, ShardTasks.Outcome> task)
            throws IOException {
        return run(
                kind,
                Stage.of(name, calibration.shards(), task)
                        .cost(Shard::tokens)
                        .size(Shard::tokens, Progress.Unit.TOKENS));
    }

    /** Ends the run, or the calibration, when an activation was no finite number. */
    private boolean requireFinite(List<ShardTasks.Outcome> shards) {
        for (ShardTasks.Outcome outcome : shards) {
            if (outcome.nonFinite() != null) {
                if (asked.stopOnNonFinite()) {
                    throw ShardTasks.refusal(outcome);
                }
                endedBy = outcome.nonFinite();
                notes.add("calibration ended early, what follows is rounded plainly: " + endedBy);
                return false;
            }
        }
        return true;
    }

    private void seal(int block, List<Integer> tensors) throws IOException {
        List<UnitResult> units = new ArrayList<>();
        Map<Integer, TensorOutcome> done = new TreeMap<>();
        for (int tensor : tensors) {
            unitsOf.get(tensor).forEach(unit -> units.add(results[unit.id()]));
            if (outcomes.containsKey(tensor)) {
                done.put(tensor, outcomes.get(tensor));
            }
        }
        new Manifest(units, done, newNotes(), endedBy)
                .write(storage, calibration.folder().manifest(storage, block));
        work.keepIfInterrupted();
    }

    private List<String> newNotes() {
        List<String> fresh = List.copyOf(notes.subList(told, notes.size()));
        told = notes.size();
        return fresh;
    }

    private <T extends java.io.Serializable, R> List<R> run(String kind, Stage<T, R> stage) throws IOException {
        long start = System.nanoTime();
        Long held = memory.get(kind.equals("embed") || kind.equals("propagate") ? "forward" : kind);
        if (held != null) {
            stage.memory(item -> held);
        }
        List<R> done = stage.run(session, progress);
        seconds.merge(kind, (System.nanoTime() - start) / 1e9, Double::sum);
        return done;
    }
}
