package io.sparkgguf.job;

import io.sparkgguf.calibrate.HessianTiles;
import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.calibrate.SectionReader;
import io.sparkgguf.calibrate.SectionWriter;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianFactor;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/** What tasks do with the Hessians of a block: keep their tiles, factor them, and lay out rows for the solvers. */
final class HessianTasks implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final CalibrationFolder folder;
    private final int block;
    private final GptqOptions options;
    private final CalibrationSettings.Work work;

    /** @param work how sums are cut, and what a task may hold for tiles */
    HessianTasks(
            Storage storage, CalibrationFolder folder, int block, GptqOptions options, CalibrationSettings.Work work) {
        this.storage = storage.scratch(); // all of it is gone with its block
        this.folder = folder;
        this.block = block;
        this.options = options;
        this.work = work;
    }

    GptqOptions options() {
        return options;
    }

    CalibrationSettings.Work work() {
        return work;
    }

    Storage storage() {
        return storage;
    }

    /**
     * A Hessian to be factored.
     *
     * @param tokens in the sum
     * @param solved whether anything is solved with it; else its diagonal is all that is wanted
     * @param heldOut whether there is one of held-out tokens as well
     * @param paired whether there is a Δ beside each
     */
    record FactorItem(LinearInput input, TileGrid grid, long tokens, boolean solved, boolean heldOut, boolean paired)
            implements Serializable {}

    /**
     * What became of a Hessian.
     *
     * @param lambda damping, 0 when it was not factored
     * @param raised times the damping was raised
     * @param deadColumns columns whose input is always 0
     * @param columns of the input
     * @param fallback null, or why there is no factor
     * @param nanos of its tasks
     */
    record Factored(
            LinearInput input, double lambda, int raised, int deadColumns, int columns, String fallback, long nanos)
            implements Serializable {
        static Factored of(LinearInput input, HessianSummary summary, long nanos) {
            return new Factored(
                    input,
                    summary.lambda(),
                    summary.raised(),
                    summary.deadColumns(),
                    summary.columns(),
                    summary.fallback().orElse(null),
                    nanos);
        }

        /** The same with all nanoseconds that it took. */
        Factored after(long all) {
            return new Factored(input, lambda, raised, deadColumns, columns, fallback, all);
        }

        /** Whether the tokens say nothing at all of these columns. */
        boolean isDead() {
            return deadColumns == columns;
        }
    }

    HessianTiles hessian(LinearInput input, TileGrid grid, boolean heldOut) {
        return new HessianTiles(storage, folder.hessian(storage, block, input, heldOut), grid);
    }

    HessianTiles delta(LinearInput input, TileGrid grid, boolean heldOut) {
        return new HessianTiles(storage, folder.delta(storage, block, input, heldOut), grid.all());
    }

    /** What is only there while a large factor is made: rows to be ordered, the ordered matrix, factors of attempts. */
    String scratch(LinearInput input, String what) {
        return folder.factor(storage, block, input) + "-" + what;
    }

    /** The tiles of a factor. */
    HessianTiles factor(LinearInput input, TileGrid grid) {
        return new HessianTiles(storage, folder.factor(storage, block, input), grid);
    }

    private PanelFile panels(LinearInput input, int order, String matrix, boolean upper) {
        String file = folder.panels(storage, block, input, matrix);
        TileGrid grid = TileGrid.of(order, work.tileSize());
        return new PanelFile(
                storage,
                file,
                order,
                upper,
                FactorTasks.isSpread(grid, work) ? PanelFile.partRows(grid.tileSize()) : order);
    }

    PanelFile factorPanels(LinearInput input, int order) {
        return panels(input, order, "factor", true);
    }

    PanelFile hessianPanels(LinearInput input, int order, boolean heldOut) {
        return panels(input, order, heldOut ? "held-out" : "training", false);
    }

    /** The rows of Δ. */
    PanelFile deltaPanels(LinearInput input, int order, boolean heldOut) {
        return panels(input, order, heldOut ? "held-out-delta" : "training-delta", false);
    }

    void writeSquares(LinearInput input, double[] squares) throws IOException {
        WholeFile.write(
                storage,
                folder.squares(storage, block, input),
                out -> new SectionWriter(out).write(squares, 0, squares.length));
    }

    private double[] readSquares(LinearInput input, int columns) throws IOException {
        double[] squares = new double[columns];
        try (SectionReader sections = new SectionReader(storage, folder.squares(storage, block, input))) {
            sections.read(0, squares, 0, columns);
        }
        return squares;
    }

    /** Bytes that {@link #factor(FactorItem)} holds. */
    static long factorMemory(TileGrid grid, long memory) {
        long tile = (long) grid.values() * Double.BYTES;
        long band = (long) grid.side() * tile;
        // reordering fills bands of tiles; laying out rows holds one band in float32, and a panel
        return 4 * tile
                + Math.max(
                        Math.max(band, Math.min(memory, band * grid.side())),
                        band / 2 + PanelFile.memory(grid.order()));
    }

    /** Factors a Hessian and writes what solvers read. */
    Factored factor(FactorItem item) throws IOException {
        long start = System.nanoTime();
        LinearInput input = item.input();
        TileGrid grid = item.grid();
        if (!item.solved()) {
            double[] diagonal = readSquares(input, grid.order());
            writeImportance(input, HessianFactor.importance(diagonal, item.tokens()));
            int dead = (int) Arrays.stream(diagonal).filter(value -> value == 0).count();
            return new Factored(input, 0, 0, dead, grid.order(), null, System.nanoTime() - start);
        }
        HessianTiles hessian = hessian(input, grid, false);
        // Tiles are written over again and again on the way, so each attempt at the task has its own; they go with the
        // block.
        String tiles = scratch(input, "whole-" + UUID.randomUUID());
        HessianTiles factor = new HessianTiles(storage, tiles, grid);
        storage.createFolder(tiles);
        HessianSummary summary = WholeFile.noting(
                new ArrayList<>(),
                () -> HessianFactor.compute(hessian, item.tokens(), options, factor, work.taskMemory()));
        if (summary.fallback().isEmpty()) {
            factorPanels(input, grid.order()).write(factor);
        }
        writeImportance(input, summary.importance());
        writeSummary(input, summary);
        hessianPanels(input, grid.order(), false).write(hessian);
        if (item.heldOut()) {
            hessianPanels(input, grid.order(), true).write(hessian(input, grid, true));
        }
        if (item.paired()) {
            deltaPanels(input, grid.order(), false).writeAll(delta(input, grid, false));
            if (item.heldOut()) {
                deltaPanels(input, grid.order(), true).writeAll(delta(input, grid, true));
            }
        }
        return Factored.of(input, summary, System.nanoTime() - start);
    }

    void writeImportance(LinearInput input, float[] importance) throws IOException {
        WholeFile.write(
                storage,
                folder.importance(storage, block, input),
                out -> new SectionWriter(out).write(importance, 0, importance.length));
    }

    void writeSummary(LinearInput input, HessianSummary summary) throws IOException {
        WholeFile.write(storage, folder.summary(storage, block, input), out -> {
            SectionWriter sections = new SectionWriter(out);
            sections.write(summary.order());
            for (float[] values : List.of(summary.importance(), summary.conditional(), summary.ridge())) {
                sections.write(values, 0, values.length);
            }
        });
    }

    /** Reads back what a solve needs; {@code factored} and {@code tokens} say what the file does not. */
    HessianSummary readSummary(Factored factored, long tokens) throws IOException {
        int columns = factored.columns();
        int[] order = new int[columns];
        float[][] values = new float[3][columns];
        try (SectionReader sections = new SectionReader(storage, folder.summary(storage, block, factored.input()))) {
            sections.read(0, order);
            for (int i = 0; i < values.length; i++) {
                sections.read((1L + i) * SectionWriter.length(columns, Float.BYTES), values[i], 0, columns);
            }
        }
        return new HessianSummary(
                tokens,
                factored.lambda(),
                factored.raised(),
                factored.deadColumns(),
                order,
                values[0],
                values[1],
                values[2],
                factored.fallback());
    }
}
