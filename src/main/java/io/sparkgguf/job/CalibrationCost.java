package io.sparkgguf.job;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.InputFile;
import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.CostModel;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.RunCost;
import io.sparkgguf.plan.StageCost;
import io.sparkgguf.plan.WorkUnit;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the stages of {@link BlockLoop} take, block by block, and the bytes that their tasks move: {@link ShardTasks},
 * {@link HessianTasks} and {@link SolveTask} do what is counted here. What the guard has rounded a second time is not known
 * before, and not counted.
 */
final class CalibrationCost {
    /** What a solve tells of a unit beside what rounding does: sums without rounding of four errors, four times at most. */
    private static final long ERRORS_BYTES = 10_000;

    /** What the driver holds for a block of tiles of a Hessian while it is summed. */
    private static final long ITEM_BYTES = 400;

    private final CalibrationPlan calibration;
    private final Plan plan;
    private final DecoderConfig config;
    private final Map<String, Long> memory;
    private final List<List<WorkUnit>> unitsOf = new ArrayList<>();
    private final boolean held;
    private final boolean paired;
    private final List<StageCost> stages = new ArrayList<>();
    private long results;
    private long mostItems;

    CalibrationCost(CalibrationPlan calibration, Plan plan) {
        this.calibration = calibration;
        this.plan = plan;
        config = calibration.config();
        held = calibration.tokens().heldOut().count() > 0;
        paired = calibration.corrects();
        plan.tensors().forEach(tensor -> unitsOf.add(new ArrayList<>()));
        plan.units().forEach(unit -> unitsOf.get(unit.tensor()).add(unit));
        memory = calibration.memory(plan, calibration.blocks(plan));
    }

    /** All stages of the run. */
    RunCost run() {
        List<CalibrationPlan.Block> blocks = calibration.blocks(plan);
        start(blocks);
        for (CalibrationPlan.Block block : blocks) {
            block(block, block.index() == blocks.size() - 1);
        }
        if (calibration.qat() != null) {
            stages.addAll(new QatCost(calibration, memory).stages(plan, blocks));
        }
        long disk = new CalibrationDisk(calibration, plan).most(blocks);
        return RunCost.of(plan, stages, disk, mostItems, results);
    }

    private void start(List<CalibrationPlan.Block> blocks) {
        Set<Integer> later = new HashSet<>();
        blocks.forEach(block -> later.addAll(block.tensors()));
        StageCost round = StageCost.of("round");
        for (PlannedTensor tensor : plan.tensors()) {
            if (!later.contains(tensor.index())) {
                round = rounded(round, tensor.index());
            }
        }
        stages.add(round);
        StageCost embed = StageCost.of("embed");
        for (Shard shard : calibration.shards()) {
            long rows = (long) shard.tokens() * config.width() * Short.BYTES;
            long states = HiddenStates.length(shard, config.width());
            embed = embed.with(
                    CostModel.fileSeconds(streams() * (rows + states)),
                    memory.get("forward"),
                    streams() * rows,
                    streams() * states);
        }
        stages.add(embed);
    }

    private int streams() {
        return paired ? 2 : 1;
    }

    private StageCost rounded(StageCost stage, int tensor) {
        StageCost sum = stage;
        for (WorkUnit unit : unitsOf.get(tensor)) {
            sum = sum.with(unit.cost(), unit.memory(), unit.sourceBytes(), unit.bytes());
        }
        return sum;
    }

    private void block(CalibrationPlan.Block block, boolean last) {
        List<List<CalibrationPlan.Input>> steps = calibration.steps(block);
        Weights weights = weights(block);
        Set<Integer> open = new HashSet<>(block.tensors());
        for (List<CalibrationPlan.Input> step : steps) {
            inputs(weights, step);
            hessians(step);
            factors(step);
            solve(step);
            step.forEach(input -> {
                input.solved().forEach(open::remove);
                input.weighted().forEach(open::remove);
            });
        }
        StageCost round = StageCost.of("round");
        for (int tensor : open) {
            round = rounded(round, tensor);
        }
        stages.add(round);
        boolean moved = !paired
                && calibration.settings().propagate() == CalibrationSettings.Propagate.ORIGINAL
                && steps.size() == 1;
        if (!last && !moved) {
            propagate(weights);
        }
    }

    /**
     * The matrices of a block.
     *
     * @param elements of all
     * @param stored bytes of them in the checkpoint
     * @param quantized bytes of them in the output
     */
    private record Weights(long elements, long stored, long quantized) {}

    private Weights weights(CalibrationPlan.Block block) {
        long elements = 0;
        long stored = 0;
        long quantized = 0;
        if (block.index() < config.blocks()) { // the head's Hessian needs none of its weights
            for (int index : block.tensors()) {
                PlannedTensor tensor = plan.tensors().get(index);
                elements += tensor.elements();
                stored += tensor.source().encoding().bytes(tensor.elements());
                quantized += tensor.bytes();
            }
        }
        return new Weights(elements, stored, quantized);
    }

    /** Seconds of a pass of a shard over a block: its products, attention, and decoding the weights for every batch. */
    private double forward(Shard shard, Weights weights) {
        double operations = 2.0 * shard.tokens() * weights.elements();
        if (weights.elements() > 0) {
            for (int length : shard.lengths()) {
                operations += 2.0 * length * length * config.queryColumns(); // of keys and values, half of them masked
            }
        }
        return CostModel.productSeconds(operations)
                + batches(shard) * weights.elements() * CostModel.DECODE_NANOS * 1e-9;
    }

    private static int batches(Shard shard) {
        return shard.batches(ShardTasks.BATCH_TOKENS).size();
    }

    private void inputs(Weights weights, List<CalibrationPlan.Input> step) {
        Map<LinearInput, TileGrid> grids = new EnumMap<>(LinearInput.class);
        step.forEach(input -> grids.put(input.input(), calibration.grid(input)));
        StageCost stage = StageCost.of("inputs");
        for (Shard shard : calibration.shards()) {
            double seconds = streams() * forward(shard, weights);
            for (TileGrid grid : grids.values()) {
                if (grid.kept() == TileGrid.Kept.DIAGONAL) {
                    seconds += CostModel.gramSeconds(shard.counted(), grid.order()) * grid.tileSize() / grid.order();
                }
            }
            long read = streams() * (HiddenStates.length(shard, config.width()) + batches(shard) * weights.stored());
            long kept = paired ? HiddenStates.length(shard, config.width()) : 0;
            long written = kept + InputFile.length(shard, ShardTasks.BATCH_TOKENS, grids, paired);
            stage = stage.with(seconds + CostModel.fileSeconds(read + written), memory.get("inputs"), read, written);
        }
        stages.add(stage);
    }

    private void hessians(List<CalibrationPlan.Input> step) {
        StageCost stage = StageCost.of("hessians");
        for (GramTasks.Item item : calibration.sums(step)) {
            long read = item.bytes(calibration.shards().size());
            long written = item.written();
            stage = stage.with(
                    item.operations() / CostModel.GRAM_RATE + CostModel.fileSeconds(read + written),
                    memory.get("hessians"),
                    read,
                    written);
        }
        mostItems = Math.max(mostItems, stage.tasks() * ITEM_BYTES);
        results += stage.tasks() * Long.BYTES;
        stages.add(stage);
    }

    private void factors(List<CalibrationPlan.Input> step) {
        FactorCost cost = new FactorCost(calibration.settings(), held, paired, memory.get("factors"));
        for (CalibrationPlan.Input input : step) {
            TileGrid grid = calibration.grid(input);
            if (input.solved().isEmpty()) {
                cost.diagonal(grid);
            } else {
                cost.factored(grid);
            }
        }
        stages.addAll(cost.stages());
    }

    private void solve(List<CalibrationPlan.Input> step) {
        StageCost stage = StageCost.of("solve");
        for (CalibrationPlan.Input input : step) {
            long hessian = PanelFile.length(input.columns(), false);
            long panels = PanelFile.length(input.columns(), true) * (paired ? 2 : 1)
                    + hessian * (calibration.settings().gptq().sweeps() + (held ? 2 : 1))
                    + (paired ? hessian * (held ? 3 : 2) : 0);
            for (int tensor : input.solved()) {
                for (WorkUnit unit : unitsOf.get(tensor)) {
                    stage = stage.with(
                            unit.cost() + CostModel.fileSeconds(panels),
                            unit.memory(),
                            unit.sourceBytes() + panels,
                            unit.bytes());
                    results += ERRORS_BYTES;
                }
            }
            for (int tensor : input.weighted()) {
                stage = rounded(stage, tensor);
            }
        }
        mostItems = Math.max(mostItems, stage.tasks() * ERRORS_BYTES);
        stages.add(stage);
    }

    private void propagate(Weights weights) {
        boolean original = calibration.settings().propagate() == CalibrationSettings.Propagate.ORIGINAL;
        long bytes = original ? weights.stored() : weights.quantized();
        StageCost stage = StageCost.of("propagate");
        for (Shard shard : calibration.shards()) {
            long states = HiddenStates.length(shard, config.width());
            long read = states + batches(shard) * bytes;
            stage = stage.with(
                    forward(shard, weights) + CostModel.fileSeconds(read + states),
                    memory.get("forward"),
                    read,
                    states);
        }
        stages.add(stage);
    }
}
