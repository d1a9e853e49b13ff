package io.sparkgguf.job;

import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianError;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.gptq.TargetCorrection;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.quant.ExactSum;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;

/**
 * Does one unit of a calibrated block: solves its rows against their Hessian and writes the part, or rounds them. All rows
 * of a solved unit are in memory at once.
 */
final class SolveTask implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final String partFolder;
    private final String kind;
    private final boolean allowNonFinite;
    private final HessianTasks hessians;
    private final GptqOptions options;
    private final double correction;

    /**
     * @param partFolder existing folder that receives the parts
     * @param kind of stage, for the names of parts
     * @param correction share of the target's correction; 0 for none
     */
    SolveTask(
            Storage storage,
            String partFolder,
            String kind,
            boolean allowNonFinite,
            HessianTasks hessians,
            GptqOptions options,
            double correction) {
        this.storage = storage;
        this.partFolder = partFolder;
        this.kind = kind;
        this.allowNonFinite = allowNonFinite;
        this.hessians = hessians;
        this.options = options;
        this.correction = correction;
    }

    /**
     * A unit and what is known of its Hessian.
     *
     * @param factored null for a unit that is rounded
     * @param tokens in the Hessian
     * @param heldOut whether there is one of held-out tokens
     */
    record Item(WorkUnit unit, HessianTasks.Factored factored, long tokens, boolean heldOut) implements Serializable {}

    /**
     * What a task tells.
     *
     * @param errors null for a unit that was rounded
     */
    record Result(UnitResult unit, Errors errors) implements Serializable {}

    /**
     * Errors of the layer's output, summed over rows without rounding, so that slices do not matter: plain rounding,
     * importance-weighted rounding, the solver's result, and the weights themselves, which errors are relative to.
     *
     * @param training under the Hessian that made the result
     * @param heldOut under that of held-out tokens, or null
     * @param trainingTarget as {@code training}, but towards the outputs that original inputs gave, up to what is the same
     *     for every rounding; without the weights; null when targets are not corrected
     * @param heldOutTarget as {@code trainingTarget} with held-out tokens, or null
     * @param solveNanos of the solver alone
     * @param operations floating-point operations that it did: two for each weight and each column behind it
     */
    record Errors(
            ExactSum[] training,
            ExactSum[] heldOut,
            ExactSum[] trainingTarget,
            ExactSum[] heldOutTarget,
            long solveNanos,
            double operations)
            implements Serializable {
        static final int ROUNDED = 0;
        static final int WEIGHTED = 1;
        static final int SOLVED = 2;
        static final int WEIGHTS = 3;
        static final int COUNT = 4;
    }

    /** Bytes that a solve of so many rows holds. */
    static long memory(BlockType type, GptqOptions options, boolean corrected, int rows, int columns) {
        long weights = (long) rows * columns;
        long blocks = type.bytes(weights);
        // the weights and, while errors are taken, four changes of them and one that is being made
        long arrays = weights * Float.BYTES + blocks;
        long errors = weights * Float.BYTES * 5 + HessianError.memory(rows, columns);
        long peak = Math.max(errors, RowSolver.memory(type, options, rows, columns));
        long panels = PanelFile.memory(columns) * 2 + 4L * columns * Float.BYTES;
        if (corrected) {
            arrays += weights * Float.BYTES; // the target
            peak = Math.max(peak, TargetCorrection.memory(rows, columns));
            peak = Math.max(peak, weights * Float.BYTES * 4 + HessianError.memoryTowardsOriginal(rows, columns));
        }
        return arrays + peak + panels;
    }

    Result run(Item item) throws IOException {
        if (item.factored() == null) {
            return new Result(
                    new UnitRunner(storage, UnitPlace.parts(storage, partFolder, kind), allowNonFinite)
                            .run(item.unit()),
                    null);
        }
        return new Attempt(item).run();
    }

    /** One attempt at a unit. */
    private final class Attempt {
        private final Item item;
        private final WorkUnit unit;
        private final int rows;
        private final int columns;
        private final UnitChecks checks;
        private final BlockFormat format;
        private final float[] weights;
        private long nonFinite;
        private long readNanos;

        Attempt(Item item) {
            this.item = item;
            unit = item.unit();
            rows = unit.rows();
            columns = unit.columns();
            checks = new UnitChecks(unit, allowNonFinite);
            format = BlockFormats.of(unit.target());
            weights = new float[Math.toIntExact(unit.elements())];
        }

        Result run() throws IOException {
            read();
            long start = System.nanoTime();
            HessianSummary summary = hessians.readSummary(item.factored(), item.tokens());
            byte[] blocks = new byte[Math.toIntExact(unit.bytes())];
            LinearInput input = item.factored().input();
            try (PanelFile.Reader factor = hessians.factorPanels(input, columns).open();
                    PanelFile.Reader hessian =
                            hessians.hessianPanels(input, columns, false).open()) {
                float[] target = correction > 0 ? target(summary, factor) : weights;
                if (checks.isTernary(weights, rows)) { // trained on this very grid, which a solver would leave
                    format.encode(weights, 0, rows, columns, null, 0, blocks, 0);
                } else {
                    new RowSolver(unit.target(), options, summary, factor, hessian)
                            .solve(weights, 0, target, 0, rows, blocks, 0);
                }
            }
            checks.blocks(blocks, 0, 0, weights.length, "encode");
            long solved = System.nanoTime();
            ErrorStats error = new ErrorStats();
            Errors errors = errors(summary, blocks, error, solved - start);
            checks.ternary(error);
            long judged = System.nanoTime();
            String part = WorkFolder.partName(unit.id(), kind);
            WholeFile.write(storage, storage.resolve(partFolder, part), out -> out.write(blocks));
            return new Result(
                    new UnitResult(
                            unit.id(),
                            part,
                            Digest.of(blocks, 0, blocks.length),
                            error,
                            nonFinite,
                            readNanos,
                            judged - start,
                            System.nanoTime() - judged),
                    errors);
        }

        private float[] target(HessianSummary summary, PanelFile.Reader factor) throws IOException {
            float[] target = new float[weights.length];
            try (PanelFile.Reader delta = delta(false)) {
                TargetCorrection.apply(summary, factor, delta, correction, weights, 0, rows, target, 0);
            }
            return target;
        }

        private PanelFile.Reader delta(boolean heldOut) throws IOException {
            return hessians.deltaPanels(item.factored().input(), columns, heldOut)
                    .open();
        }

        private void read() throws IOException {
            long start = System.nanoTime();
            try (SlabReader slabs = new SlabReader(storage, unit, true)) {
                while (slabs.next()) {
                    float[] slab = slabs.weights();
                    nonFinite += checks.clean(slab, slabs.weightCount(), slabs.row());
                    System.arraycopy(slab, 0, weights, slabs.row() * columns, slabs.weightCount());
                }
            }
            readNanos = System.nanoTime() - start;
        }

        private Errors errors(HessianSummary summary, byte[] solved, ErrorStats error, long solveNanos)
                throws IOException {
            float[] decoded = new float[weights.length];
            format.decode(solved, 0, decoded.length, decoded, 0);
            error.add(weights, 0, decoded, 0, rows, columns);
            byte[] other = new byte[solved.length];
            float[] solvedChange = change(solved);
            format.encode(weights, 0, rows, columns, null, 0, other, 0);
            float[] roundedChange = change(other);
            format.encode(weights, 0, rows, columns, summary.importance(), 0, other, 0);
            List<float[]> changes = List.of(
                    roundedChange, change(other), solvedChange, HessianError.byColumns(weights, 0, rows, columns));
            double[][] training = ofRows(changes, false);
            double[][] heldOut = item.heldOut() ? ofRows(changes, true) : null;
            return new Errors(
                    sums(training),
                    sums(heldOut),
                    towardsTarget(changes, training, false),
                    towardsTarget(changes, heldOut, true),
                    solveNanos,
                    (double) rows * columns * columns);
        }

        private float[] change(byte[] blocks) {
            return HessianError.change(unit.target(), blocks, 0, weights, 0, rows, columns);
        }

        private double[][] ofRows(List<float[]> changes, boolean heldOut) throws IOException {
            try (PanelFile.Reader hessian = hessians.hessianPanels(
                            item.factored().input(), columns, heldOut)
                    .open()) {
                return HessianError.ofRows(hessian, changes, rows);
            }
        }

        /** The errors of what rounding changes, with what original inputs add to them. */
        private ExactSum[] towardsTarget(List<float[]> changes, double[][] ofRows, boolean heldOut) throws IOException {
            if (correction == 0 || ofRows == null) {
                return null;
            }
            double[][] added;
            try (PanelFile.Reader delta = delta(heldOut)) {
                added = HessianError.towardsOriginal(delta, weights, changes.subList(0, Errors.WEIGHTS), rows);
            }
            for (int i = 0; i < added.length; i++) {
                for (int row = 0; row < rows; row++) {
                    added[i][row] += ofRows[i][row];
                }
            }
            return sums(added);
        }

        private static ExactSum[] sums(double[][] ofRows) {
            if (ofRows == null) {
                return null;
            }
            ExactSum[] sums = new ExactSum[ofRows.length];
            for (int i = 0; i < sums.length; i++) {
                sums[i] = new ExactSum();
                for (double row : ofRows[i]) {
                    sums[i].add(row);
                }
            }
            return sums;
        }
    }
}
