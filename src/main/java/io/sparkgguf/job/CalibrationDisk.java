package io.sparkgguf.job;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.InputFile;
import io.sparkgguf.calibrate.OrderedRows;
import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.calibrate.SectionWriter;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.Plan;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Bytes of the files that calibration keeps in the work folder: {@link HessianTasks} and {@link ShardTasks} write them,
 * {@link BlockLoop} deletes them. What a task that is done twice writes meanwhile is not counted.
 */
final class CalibrationDisk {
    /** Order, importance, conditional importance and ridge. */
    private static final int SUMMARY_SECTIONS = 4;

    private final CalibrationPlan plan;
    private final Plan layout;
    private final boolean held;

    /** @param layout the tensors, of which some may be trained */
    CalibrationDisk(CalibrationPlan plan, Plan layout) {
        this.plan = plan;
        this.layout = layout;
        this.held = plan.tokens().heldOut().count() > 0;
    }

    /** No less than there is at any time: the hidden states on both sides of a block, and what the largest one needs. */
    long most(List<CalibrationPlan.Block> blocks) {
        int width = plan.config().width();
        long hidden = plan.shards().stream()
                .mapToLong(shard -> HiddenStates.length(shard, width))
                .sum();
        int streams = plan.corrects() ? 2 : 1; // the original path goes beside the quantized one
        return 2 * streams * hidden
                + blocks.stream().mapToLong(this::block).max().orElse(0)
                + (plan.qat() == null ? 0 : plan.qat().disk(layout, blocks));
    }

    private long block(CalibrationPlan.Block block) {
        long kept = 0;
        long most = 0;
        for (List<CalibrationPlan.Input> step : plan.steps(block)) {
            Map<LinearInput, TileGrid> grids = new EnumMap<>(LinearInput.class);
            step.forEach(input -> grids.put(input.input(), plan.grid(input)));
            long inputs = plan.shards().stream()
                    .mapToLong(shard -> InputFile.length(shard, ShardTasks.BATCH_TOKENS, grids, plan.corrects()))
                    .sum();
            long sums = 0;
            long factors = 0;
            for (CalibrationPlan.Input input : step) {
                TileGrid grid = plan.grid(input);
                boolean solved = !input.solved().isEmpty();
                sums += solved ? (held ? 2 : 1) * grid.stored() : SectionWriter.length(grid.order(), Double.BYTES);
                if (solved && plan.corrects()) {
                    sums += (held ? 2 : 1) * grid.all().stored();
                    factors += (held ? 2 : 1) * PanelFile.length(grid.order(), false);
                }
                factors += factors(grid, solved);
            }
            most = Math.max(most, kept + sums + Math.max(inputs, factors)); // inputs go before factors come
            kept += sums + factors;
        }
        return most;
    }

    private long factors(TileGrid grid, boolean solved) {
        int order = grid.order();
        long importance = SectionWriter.length(order, Float.BYTES);
        if (!solved) {
            return importance;
        }
        long rewritten = SectionWriter.length(grid.values(), Double.BYTES); // a tile beside the one that it replaces
        long made = FactorTasks.isSpread(grid, plan.settings().work())
                ? spread(grid) + SectionWriter.length(order, Double.BYTES)
                : grid.stored();
        return importance
                + made
                + rewritten
                + (held ? 2 : 1) * PanelFile.length(order, false)
                + PanelFile.length(order, true)
                + SUMMARY_SECTIONS * SectionWriter.length(order, Float.BYTES);
    }

    /** The rows and the ordered matrix; later that, the factor in reverse, squares that were begun, and the factor. */
    private static long spread(TileGrid grid) {
        return Math.max(OrderedRows.stored(grid) + grid.stored(), 4 * grid.stored());
    }
}
