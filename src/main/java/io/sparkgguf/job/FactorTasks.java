package io.sparkgguf.job;

import io.sparkgguf.calibrate.HessianTiles;
import io.sparkgguf.calibrate.OrderedRows;
import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.calibrate.RidgedTiles;
import io.sparkgguf.calibrate.SectionReader;
import io.sparkgguf.calibrate.SectionWriter;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.gptq.ColumnOrder;
import io.sparkgguf.gptq.Factoring;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.linalg.FactorRounds;
import io.sparkgguf.linalg.NotPositiveDefiniteException;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.io.Serializable;

/**
 * What tasks do to factor a Hessian: a small one in one task, a large one in many, with the same bits. {@link FactorStages}
 * says which of them when.
 */
final class FactorTasks implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Panels of the factor that a Hessian just too large for one task is cut into, at least. */
    private static final int PANELS = 3;

    /** Beyond so many tiles a side, steps are as small as can be, so that many tasks find work. */
    private static final int MANY_TILES = 64;

    private final HessianTasks hessians;

    FactorTasks(HessianTasks hessians) {
        this.hessians = hessians;
    }

    /** What a task does. */
    enum What {
        /** All of a small Hessian. */
        WHOLE,
        /** The diagonal of a large one, from which all others know the order of its columns and the damping. */
        DIAGONAL,
        /** A row of tiles, its columns brought into order. */
        ROWS,
        /** A row of tiles of the ordered matrix. */
        ORDERED,
        /** A step of the factor. */
        STEP,
        /** A file of rows for the solvers. */
        TRAINING_PANELS,
        HELD_OUT_PANELS,
        TRAINING_DELTA_PANELS,
        HELD_OUT_DELTA_PANELS,
        FACTOR_PANELS,
        /** What solvers want to know besides, when there is a factor or none. */
        SUMMARY
    }

    /**
     * An item of a stage.
     *
     * @param index of the row of tiles, or of the file of rows
     * @param raised times the damping was raised
     * @param step of {@link What#STEP}, else null
     * @param failure of the last attempt, for the summary, else null
     */
    record Item(HessianTasks.FactorItem of, What what, int index, int raised, FactorRounds.Step step, String failure)
            implements Serializable {
        /** A name of its own among all items of a block. */
        String label() {
            String label = of.input().name() + " " + what;
            if (step != null) {
                return "%s %s %d %d, raised %d".formatted(label, step.kind(), step.panel(), step.from(), raised);
            }
            return label + " " + index;
        }
    }

    /**
     * What a task tells.
     *
     * @param factored by those that end with a Hessian: {@link What#WHOLE} and {@link What#SUMMARY}; else null
     * @param empty by {@link What#DIAGONAL}: whether there is nothing to factor
     * @param failure why the matrix could not be factored, by a step, or null
     */
    record Done(HessianTasks.Factored factored, boolean empty, String failure, long nanos) implements Serializable {}

    /** Whether the factor of such a Hessian is made by many tasks. Depends on its size alone, never on the cluster. */
    static boolean isSpread(TileGrid grid, CalibrationSettings.Work work) {
        return grid.order() > work.wholeColumns() && grid.kept() == TileGrid.Kept.UPPER;
    }

    boolean isSpread(TileGrid grid) {
        return isSpread(grid, hessians.work());
    }

    static FactorRounds rounds(TileGrid grid, CalibrationSettings.Work work) {
        int columns = grid.side() > MANY_TILES ? 1 : 2;
        int panel = Math.max(1, work.wholeColumns() / PANELS / grid.tileSize());
        return new FactorRounds(grid.order(), grid.tileSize(), panel, columns, columns);
    }

    FactorRounds rounds(TileGrid grid) {
        return rounds(grid, hessians.work());
    }

    /** Files of rows that solvers read of such a matrix. */
    static int parts(TileGrid grid) {
        int rows = PanelFile.partRows(grid.tileSize());
        return (grid.order() + rows - 1) / rows;
    }

    /** Whether the columns are walked as they are: then nothing is brought into order. */
    boolean isOrdered() {
        return hessians.options().order() == ColumnOrder.NATURAL;
    }

    /** Bytes that a task holds at the most. */
    static long memory(TileGrid grid, CalibrationSettings.Work work) {
        if (!isSpread(grid, work)) {
            return HessianTasks.factorMemory(grid, work.taskMemory());
        }
        long order = grid.order();
        long tile = (long) grid.values() * Double.BYTES;
        long panels = grid.tileSize() * order * Float.BYTES + PanelFile.memory(grid.order()) + tile;
        long known = order * (3L * Double.BYTES + 4 * Integer.BYTES); // the diagonal, the ridge twice, the order
        return known
                + Math.max(
                        panels,
                        Math.max(
                                OrderedRows.memory(grid, work.taskMemory()),
                                rounds(grid, work).memory()));
    }

    /** Seconds that an item takes, about. */
    double cost(Item item) {
        TileGrid grid = item.of().grid();
        double band = (double) grid.values() * grid.side() * Double.BYTES / 1e9;
        return switch (item.what()) {
            case WHOLE -> Math.pow(grid.order(), 3) / 3e10 + grid.memory() / 1e9;
            case STEP -> rounds(grid).cost(item.step()) / 1e10;
            case SUMMARY, DIAGONAL -> band;
            default -> 2 * band;
        };
    }

    /** Bytes that an item writes, about. */
    static long size(Item item) {
        TileGrid grid = item.of().grid();
        long tile = (long) grid.values() * Double.BYTES;
        return switch (item.what()) {
            case WHOLE -> grid.memory();
            case DIAGONAL, SUMMARY -> (long) grid.order() * Double.BYTES;
            case STEP -> tile * (item.step().to() - item.step().from());
            default -> tile * grid.side() / 2;
        };
    }

    Done run(Item item) throws IOException {
        long start = System.nanoTime();
        HessianTasks.FactorItem of = item.of();
        return switch (item.what()) {
            case WHOLE -> {
                HessianTasks.Factored factored = hessians.factor(of);
                yield new Done(factored, false, null, factored.nanos());
            }
            case DIAGONAL -> new Done(null, diagonal(of), null, System.nanoTime() - start);
            case STEP -> new Done(null, false, step(item), System.nanoTime() - start);
            case SUMMARY -> new Done(summary(item), false, null, System.nanoTime() - start);
            default -> {
                write(item);
                yield new Done(null, false, null, System.nanoTime() - start);
            }
        };
    }

    private HessianTiles hessian(HessianTasks.FactorItem of, boolean heldOut) {
        return hessians.hessian(of.input(), of.grid(), heldOut);
    }

    private String diagonalFile(HessianTasks.FactorItem of) {
        return hessians.scratch(of.input(), "diagonal");
    }

    private boolean diagonal(HessianTasks.FactorItem of) throws IOException {
        double[] diagonal = hessian(of, false).diagonal();
        Factoring factoring = new Factoring(diagonal, of.tokens(), hessians.options());
        WholeFile.write(
                hessians.storage(),
                diagonalFile(of),
                out -> new SectionWriter(out).write(diagonal, 0, diagonal.length));
        return factoring.isEmpty();
    }

    private Factoring factoring(HessianTasks.FactorItem of) throws IOException {
        double[] diagonal = new double[of.grid().order()];
        try (SectionReader reader = new SectionReader(hessians.storage(), diagonalFile(of))) {
            reader.read(0, diagonal, 0, diagonal.length);
        }
        return new Factoring(diagonal, of.tokens(), hessians.options());
    }

    /** Rows with columns in order. */
    String rowsFolder(LinearInput input) {
        return hessians.scratch(input, "rows");
    }

    /** The ordered matrix. */
    String orderedFolder(LinearInput input) {
        return hessians.scratch(input, "ordered");
    }

    /** Unfinished tiles of an attempt. */
    String aheadFolder(LinearInput input, int raised) {
        return hessians.scratch(input, "ahead-" + raised);
    }

    /** The factor of the reversed matrix of an attempt. */
    String upperFolder(LinearInput input, int raised) {
        return hessians.scratch(input, "upper-" + raised);
    }

    private HessianTiles tiles(HessianTasks.FactorItem of, String folder) {
        return new HessianTiles(hessians.storage(), folder, of.grid());
    }

    private HessianTiles ordered(HessianTasks.FactorItem of) {
        return isOrdered() ? hessian(of, false) : tiles(of, orderedFolder(of.input()));
    }

    private OrderedRows orderedRows(HessianTasks.FactorItem of) throws IOException {
        return new OrderedRows(
                hessians.storage(),
                rowsFolder(of.input()),
                of.grid(),
                factoring(of).order());
    }

    private String step(Item item) throws IOException {
        HessianTasks.FactorItem of = item.of();
        Factoring factoring = factoring(of);
        double[] added = factoring.ridge(item.raised());
        double[] ridge = new double[added.length];
        for (int i = 0; i < ridge.length; i++) {
            ridge[i] = added[factoring.order()[i]];
        }
        FactorRounds.Matrices matrices = new FactorRounds.Matrices(
                new RidgedTiles(ordered(of), ridge),
                tiles(of, aheadFolder(of.input(), item.raised())),
                tiles(of, upperFolder(of.input(), item.raised())),
                hessians.factor(of.input(), of.grid()));
        try {
            rounds(of.grid()).run(item.step(), matrices);
            return null;
        } catch (NotPositiveDefiniteException e) {
            return e.getMessage();
        }
    }

    private void write(Item item) throws IOException {
        HessianTasks.FactorItem of = item.of();
        LinearInput input = of.input();
        int order = of.grid().order();
        int index = item.index();
        switch (item.what()) {
            case ROWS ->
                orderedRows(of).write(hessian(of, false), index, hessians.work().taskMemory());
            case ORDERED -> orderedRows(of).gather(index, ordered(of));
            case TRAINING_PANELS -> hessians.hessianPanels(input, order, false).write(hessian(of, false), index);
            case HELD_OUT_PANELS -> hessians.hessianPanels(input, order, true).write(hessian(of, true), index);
            case TRAINING_DELTA_PANELS ->
                hessians.deltaPanels(input, order, false).writeAll(hessians.delta(input, of.grid(), false), index);
            case HELD_OUT_DELTA_PANELS ->
                hessians.deltaPanels(input, order, true).writeAll(hessians.delta(input, of.grid(), true), index);
            case FACTOR_PANELS -> hessians.factorPanels(input, order).write(hessians.factor(input, of.grid()), index);
            default -> throw new IllegalArgumentException("Cannot do " + item);
        }
    }

    private HessianTasks.Factored summary(Item item) throws IOException {
        HessianTasks.FactorItem of = item.of();
        Factoring factoring = factoring(of);
        HessianSummary summary;
        if (factoring.isEmpty()) {
            summary = factoring.unfactored();
        } else if (item.failure() != null) {
            summary = factoring.failed(item.failure());
        } else {
            summary = factoring.factored(hessians.factor(of.input(), of.grid()).diagonal(), item.raised());
        }
        hessians.writeImportance(of.input(), summary.importance());
        hessians.writeSummary(of.input(), summary);
        return HessianTasks.Factored.of(of.input(), summary, 0);
    }
}
