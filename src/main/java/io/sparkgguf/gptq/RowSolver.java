package io.sparkgguf.gptq;

import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.GridFormats;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Objects;

/**
 * Rounds rows of weights onto a block format's grids so that {@code tr(D H Dᵀ)} is small, D being what rounding changes.
 *
 * <p>Scales are found by the format's own importance-weighted search; then the column loop chooses the levels. A row's bytes
 * depend on that row, the Hessian and the options alone: not on the rows it is solved with, threads, or the machine. Safe for
 * one thread at a time; another solver over the same panels may run beside it if these can be read by both.
 */
public final class RowSolver {
    private final GridFormat grid;
    private final BlockFormat format;
    private final GptqOptions options;
    private final HessianSummary summary;
    private final FactorPanels factor;
    private final HessianRows hessian;
    private final float[] importance;
    private final int lazy;

    /**
     * @param factor of the Hessian that the summary speaks of; null when that has a fallback
     * @param hessian the sum of x xᵀ that the summary speaks of; looked at only when the options ask for sweeps
     * @throws InvalidInputException when the type has no grid, or its blocks do not divide the Hessian's columns
     */
    public RowSolver(
            BlockType type, GptqOptions options, HessianSummary summary, FactorPanels factor, HessianRows hessian) {
        this(type, options, summary, factor, hessian, ColumnLoop.LAZY);
    }

    /** With lazy blocks of so many columns, a multiple of 8; the bytes are the same. */
    RowSolver(
            BlockType type,
            GptqOptions options,
            HessianSummary summary,
            FactorPanels factor,
            HessianRows hessian,
            int lazy) {
        this.grid = GridFormats.of(type)
                .orElseThrow(() -> new InvalidInputException("Cannot solve rows of " + type + ": it has no grid"));
        this.format = BlockFormats.of(type);
        this.options = options;
        this.summary = summary;
        this.factor = factor;
        this.hessian = hessian;
        this.lazy = lazy;
        if (summary.columns() % type.blockElements() != 0) {
            throw new InvalidInputException("Cannot solve rows of " + type + ": " + summary.columns()
                    + " columns are no whole number of blocks of " + type.blockElements());
        }
        if (summary.fallback().isEmpty() && factor.order() != summary.columns()) {
            throw new InvalidInputException(
                    "Cannot solve rows of " + summary.columns() + " columns: the factor has " + factor.order());
        }
        importance = summary.importance(options.conditional());
    }

    /** Whether rows of this type can be solved. */
    public static boolean solves(BlockType type) {
        return GridFormats.of(type).isPresent();
    }

    /** Bytes that solving so many rows holds at its peak, beside the given weights and the blocks that it fills. */
    public static long memory(BlockType type, GptqOptions options, int rows, int columns) {
        GridFormat grid = GridFormats.of(type).orElseThrow();
        long weights = (long) rows * columns * Float.BYTES;
        int slice = options.scales() == GptqOptions.Scales.STATIC ? columns : Math.min(ColumnOrder.GROUP, columns);
        long snapshot = slice == columns ? 0 : (long) rows * slice * Float.BYTES;
        long walk = weights + snapshot + LevelGrid.memory(grid, rows, slice) + ColumnLoop.memory(rows, columns);
        long refinement = LevelGrid.memory(grid, rows, columns) + Refinement.memory(rows, columns);
        return options.sweeps() > 0 ? Math.max(walk, refinement) : walk;
    }

    /**
     * Importance-weighted rounding, what GPTQ is compared with: the encoder alone, with diag(H) as importance.
     *
     * @param weights row after row from {@code weightsAt}
     * @param blocks receives the rows' blocks from {@code blocksAt}
     */
    public void round(float[] weights, int weightsAt, int rows, byte[] blocks, int blocksAt) {
        format.encode(weights, weightsAt, rows, summary.columns(), summary.importance(), 0, blocks, blocksAt);
    }

    /** Solves rows; the weights are their own target. See the other method. */
    public void solve(float[] weights, int weightsAt, int rows, byte[] blocks, int blocksAt) throws IOException {
        solve(weights, weightsAt, weights, weightsAt, rows, blocks, blocksAt);
    }

    /**
     * Solves rows, or rounds them with importance when the Hessian has no factor.
     *
     * @param weights the original weights, whose grids are searched: finite, row after row from {@code weightsAt}
     * @param target the weights to come close to, laid out alike; they differ from the original ones where an earlier
     *     layer's error is to be made up for
     * @param blocks receives the rows' blocks from {@code blocksAt}
     * @throws InvalidInputException when a weight, a target or an element of the factor is not finite
     */
    public void solve(
            float[] weights, int weightsAt, float[] target, int targetAt, int rows, byte[] blocks, int blocksAt)
            throws IOException {
        int columns = summary.columns();
        int elements = Math.multiplyExact(rows, columns);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        Objects.checkFromIndexSize(targetAt, elements, target.length);
        int rowBytes = Math.toIntExact(grid.type().bytes(columns));
        Objects.checkFromIndexSize(blocksAt, Math.multiplyExact(rows, rowBytes), blocks.length);
        checkFinite("weight", weights, weightsAt, rows, columns);
        if (summary.fallback().isPresent()) {
            round(weights, weightsAt, rows, blocks, blocksAt);
            return;
        }
        if (target != weights) {
            checkFinite("target", target, targetAt, rows, columns);
        }
        walk(weights, weightsAt, target, targetAt, rows, blocks, blocksAt, rowBytes);
        if (options.sweeps() > 0) {
            refine(target, targetAt, rows, blocks, blocksAt);
        }
    }

    private void walk(
            float[] weights,
            int weightsAt,
            float[] target,
            int targetAt,
            int rows,
            byte[] blocks,
            int blocksAt,
            int rowBytes)
            throws IOException {
        int columns = summary.columns();
        float[] walked = byColumns(target, targetAt, rows, summary.order());
        ColumnLoop loop = new ColumnLoop(factor, summary.order(), walked, rows, lazy);
        if (options.scales() == GptqOptions.Scales.STATIC) {
            LevelGrid levels = new LevelGrid(grid, rows, columns);
            levels.encode(weights, weightsAt, importance, 0);
            loop.run(0, columns, levels::round);
            levels.write(blocks, blocksAt, rowBytes);
        } else {
            solveDynamic(loop, walked, rows, blocks, blocksAt, rowBytes);
        }
    }

    private void refine(float[] target, int targetAt, int rows, byte[] blocks, int blocksAt) throws IOException {
        LevelGrid levels = new LevelGrid(grid, rows, summary.columns());
        levels.load(blocks, blocksAt);
        Refinement refinement =
                new Refinement(grid, hessian, summary.ridge(), levels, target, targetAt, rows, options.refit());
        for (int sweep = 0; sweep < options.sweeps(); sweep++) {
            refinement.sweep();
        }
        levels.write(blocks, blocksAt, Math.toIntExact(grid.type().bytes(summary.columns())));
    }

    private void solveDynamic(ColumnLoop loop, float[] walked, int rows, byte[] blocks, int blocksAt, int rowBytes)
            throws IOException {
        int columns = summary.columns();
        for (int from = 0; from < columns; ) {
            int first = summary.order()[from] / ColumnOrder.GROUP * ColumnOrder.GROUP;
            int width = Math.min(ColumnOrder.GROUP, columns - first);
            float[] slice = new float[rows * width];
            for (int i = from; i < from + width; i++) {
                int column = summary.order()[i] - first;
                for (int r = 0; r < rows; r++) {
                    slice[r * width + column] = walked[i * rows + r];
                }
            }
            LevelGrid levels = new LevelGrid(grid, rows, width);
            levels.encode(slice, 0, importance, first);
            loop.run(
                    from,
                    from + width,
                    (column, row, count, w, wAt, values, valuesAt) ->
                            levels.round(column - first, row, count, w, wAt, values, valuesAt));
            levels.write(blocks, blocksAt + Math.toIntExact(grid.type().bytes(first)), rowBytes);
            from += width;
        }
    }

    private static void checkFinite(String what, float[] x, int at, int rows, int columns) {
        for (int i = 0; i < rows * columns; i++) {
            if (!Float.isFinite(x[at + i])) {
                throw new InvalidInputException("Cannot solve rows: the " + what + " of row " + i / columns
                        + ", column " + i % columns + " is " + x[at + i]);
            }
        }
    }

    /** Element (row, order[i]) to {@code i * rows + row}, in tiles that stay in the cache. */
    static float[] byColumns(float[] x, int at, int rows, int[] order) {
        int columns = order.length;
        float[] out = new float[rows * columns];
        int tile = 16;
        for (int i = 0; i < columns; i += tile) {
            int end = Math.min(columns, i + tile);
            for (int r = 0; r < rows; r++) {
                for (int c = i; c < end; c++) {
                    out[c * rows + r] = x[at + r * columns + order[c]];
                }
            }
        }
        return out;
    }
}
