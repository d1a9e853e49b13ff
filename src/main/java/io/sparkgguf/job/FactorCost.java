package io.sparkgguf.job;

import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.gptq.ColumnOrder;
import io.sparkgguf.linalg.FactorRounds;
import io.sparkgguf.plan.CostModel;
import io.sparkgguf.plan.StageCost;
import java.util.ArrayList;
import java.util.List;

/** What {@link FactorStages} takes for the Hessians of a block: a stage for each round, all Hessians side by side. */
final class FactorCost {
    private final CalibrationSettings.Work work;
    private final boolean held;
    private final boolean paired;
    private final boolean ordered;
    private final long memory;
    private final List<StageCost> stages = new ArrayList<>();

    /** @param memory bytes that the largest task holds */
    FactorCost(CalibrationSettings settings, boolean held, boolean paired, long memory) {
        work = settings.work();
        ordered = settings.gptq().order() == ColumnOrder.NATURAL;
        this.held = held;
        this.paired = paired;
        this.memory = memory;
    }

    /** The stages, with all Hessians that were added. */
    List<StageCost> stages() {
        return List.copyOf(stages);
    }

    private void add(int round, long tasks, double seconds, long read, long written) {
        while (stages.size() <= round) {
            stages.add(StageCost.of("factors"));
        }
        stages.set(
                round,
                stages.get(round).with(tasks, seconds + CostModel.fileSeconds(read + written), memory, read, written));
    }

    /** Adds a Hessian of which the diagonal is all that is wanted. */
    void diagonal(TileGrid grid) {
        add(0, 1, 0, grid.stored(), 0);
    }

    /** Adds a Hessian that is factored. */
    void factored(TileGrid grid) {
        if (FactorTasks.isSpread(grid, work)) {
            spread(grid);
        } else {
            whole(grid);
        }
    }

    private void whole(TileGrid grid) {
        long side = grid.side();
        // each tile of the factor, and each of its inverse, is made from the tiles of two others up to its own
        long products = side * side * side * 2 / 3 * tile(grid);
        long laid = (held ? 3 : 2) * grid.stored();
        long panels = (held ? 2 : 1) * PanelFile.length(grid.order(), false) + PanelFile.length(grid.order(), true);
        if (paired) {
            laid += (held ? 2 : 1) * grid.all().stored();
            panels += (held ? 2 : 1) * PanelFile.length(grid.order(), false);
        }
        add(0, 1, CostModel.factorSeconds(grid.order()), grid.stored() + products + laid, 3 * grid.stored() + panels);
    }

    private static long tile(TileGrid grid) {
        return grid.stored() / grid.count();
    }

    private void spread(TileGrid grid) {
        long side = grid.side();
        long tile = tile(grid);
        long row = side * tile;
        int round = 0;
        add(round++, 1, 0, row, 0);
        if (!ordered) {
            add(round++, side, 0, row, row);
            add(round++, side, 0, row, row / 2);
        }
        FactorRounds rounds = FactorTasks.rounds(grid, work);
        int parts = FactorTasks.parts(grid);
        long panels = (long) parts * (held ? 2 : 1) * (paired ? 2 : 1);
        long tall = grid.all().stored() / parts;
        long narrow =
                rounds.rounds().stream().filter(steps -> steps.size() == 1).count();
        long beside = (panels + narrow - 1) / Math.max(1, narrow);
        for (List<FactorRounds.Step> steps : rounds.rounds()) {
            for (FactorRounds.Step step : steps) {
                add(
                        round,
                        1,
                        2 * rounds.cost(step) / CostModel.FACTOR_RATE,
                        rounds.tilesRead(step) * tile,
                        rounds.tilesWritten(step) * tile);
            }
            if (steps.size() == 1) {
                long now = Math.min(beside, panels);
                add(round, now, 0, tall, tall / 2);
                panels -= now;
            }
            round++;
        }
        add(round, parts + panels, 0, tall / 2, tall / 4);
    }
}
