package io.sparkgguf.plan;

import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.storage.WriteBehind;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Cuts tensors into work units of bounded memory.
 *
 * <p>A unit is whole groups of rows (one row, or one head where rows are regrouped) of one matrix where each matrix of a
 * stack has an importance of its own. What it reads plus what it writes stays within the unit memory, and it works
 * through its rows in slabs that fit a core's cache, so what it holds at once is less than that.
 */
public final class UnitCutter {
    /** Weights of a slab: 1 MiB of float32, the second-level cache of the cores this runs on. */
    static final int SLAB_WEIGHTS = 1 << 18;

    /** Bytes of one read at the most, so that object stores see few large requests; a slab may need more. */
    static final int READ_BYTES = 8 << 20;

    /** Bytes of memory that a weight of a single-row slab of scalars takes at the most: read, float32 twice, encoded. */
    private static final int ROW_BYTES = 8 + 4 + 4 + 4 + 8;

    private final long unitMemory;

    /**
     * @param unitMemory bytes that a unit may read and write, and hold at once
     */
    public UnitCutter(long unitMemory) {
        requireUnitMemory(unitMemory);
        this.unitMemory = unitMemory;
    }

    /** @throws InvalidInputException when no units of this size are cut */
    public static void requireUnitMemory(long bytes) {
        if (bytes < 1 << 16 || bytes > 1L << 30) {
            throw new InvalidInputException(
                    "Cannot use --unit-memory " + bytes + ": it must lie between 64k and 1g, for example 64m");
        }
    }

    /** Cuts one tensor; ids count on from {@code firstId}. A tensor of no elements has no units. */
    public List<WorkUnit> cut(PlannedTensor tensor, int firstId) {
        return cut(tensor, firstId, null);
    }

    /** The same for a tensor that is solved against a Hessian; {@code solve} is null for one that is rounded. */
    List<WorkUnit> cut(PlannedTensor tensor, int firstId, SolveCost solve) {
        Grid grid = Grid.of(tensor, unitMemory);
        List<WorkUnit> units = new ArrayList<>();
        long unitRows = solve == null ? unitRows(tensor, grid) : solvedRows(tensor, grid, solve);
        long row = 0;
        while (row < grid.rows) {
            long end = Math.min(grid.rows, row + unitRows);
            if (grid.rowsPerMatrix > 0) { // never across matrices that have an importance of their own
                end = Math.min(end, (row / grid.rowsPerMatrix + 1) * grid.rowsPerMatrix);
            }
            units.add(unit(tensor, grid, firstId + units.size(), row, Math.toIntExact(end - row), solve));
            row = end;
        }
        return units;
    }

    private long unitRows(PlannedTensor tensor, Grid grid) {
        long group = grid.order.group();
        long groupMemory = memory(tensor, grid, group);
        if (groupMemory > unitMemory || group * grid.columns > Integer.MAX_VALUE / 8) {
            throw new InvalidInputException("Cannot plan tensor " + tensor.name() + ": " + group + " row(s) of "
                    + grid.columns + " columns take " + groupMemory + " bytes of memory, but --unit-memory is "
                    + unitMemory);
        }
        double rowBytes = grid.columns
                * (tensor.source().encoding().bitsPerElement() + tensor.type().bitsPerElement())
                / 8;
        long rows = Math.max(1, (long) (unitMemory / Math.max(rowBytes, 1e-9)));
        rows = Math.min(rows, Integer.MAX_VALUE / 8 / Math.max(grid.columns, 1));
        rows = Math.max(group, rows / group * group);
        while (rows > group && memory(tensor, grid, rows) > unitMemory) {
            rows = Math.max(group, rows / 2 / group * group);
        }
        return rows;
    }

    private static long solvedRows(PlannedTensor tensor, Grid grid, SolveCost solve) {
        long group = grid.order.group();
        if (solve.memory(group) > solve.limit()) {
            throw new InvalidInputException("Cannot plan tensor " + tensor.name() + ": solving " + group
                    + " row(s) of " + grid.columns + " columns takes " + solve.memory(group)
                    + " bytes of memory, but --solve-memory is " + solve.limit());
        }
        long rows = Math.min(solve.rows(), Integer.MAX_VALUE / 8 / grid.columns);
        // slices of about the same height, so that none is a small rest that reads the whole Hessian, too
        long slices = Math.max(1, (grid.rows + rows - 1) / rows);
        long even = (grid.rows + slices - 1) / slices;
        return Math.max(group, Math.min(rows / group, (even + group - 1) / group) * group);
    }

    private WorkUnit unit(PlannedTensor tensor, Grid grid, int id, long firstRow, int rows, SolveCost solve) {
        Encoding from = tensor.source().encoding();
        BlockType to = tensor.type();
        long elements = (long) rows * grid.columns;
        float[] computed = null;
        List<SourceRange> ranges = List.of();
        if (tensor.source().source() instanceof ModelTensor.Computed values) {
            computed = Arrays.copyOfRange(
                    values.values(), (int) (firstRow * grid.columns), (int) (firstRow * grid.columns + elements));
        } else {
            ranges = ranges(
                    ((ModelTensor.Stored) tensor.source().source()).parts(),
                    from.bytes(firstRow * grid.columns),
                    from.bytes(elements));
        }
        ImportanceSource importance = tensor.importance() == null
                ? null
                : tensor.importance().forMatrix(grid.rowsPerMatrix == 0 ? 0 : (int) (firstRow / grid.rowsPerMatrix));
        double nanos = CostModel.nanosPerWeight(to, tensor.isCopied(), importance != null)
                + (solve == null ? 0 : solve.nanosPerWeight());
        double cost = elements * nanos * 1e-9 + CostModel.fileSeconds(from.bytes(elements) + to.bytes(elements));
        return new WorkUnit(
                id,
                tensor.index(),
                tensor.name(),
                from,
                to,
                grid.columns,
                firstRow,
                rows,
                grid.order,
                tensor.ternary(),
                ranges,
                computed,
                importance,
                tensor.output(),
                tensor.offset() + to.bytes(firstRow * grid.columns),
                to.bytes(elements),
                solve == null ? memory(tensor, grid, rows) : Math.max(solve.memory(rows), memory(tensor, grid, rows)),
                cost);
    }

    /** Rows of a slab: as many whole groups as fit a cache, at least one. */
    public static int slabRows(int columns, int group, int rows) {
        int fit = SLAB_WEIGHTS / Math.max(columns, 1) / group * group;
        return Math.min(rows, Math.max(group, fit));
    }

    /** Rows that one read fetches: whole slabs. */
    public static int readRows(int columns, int group, int rows, double sourceBytesPerWeight) {
        int slab = slabRows(columns, group, rows);
        long fit = (long) (READ_BYTES / (sourceBytesPerWeight * Math.max(columns, 1)));
        return (int) Math.min(rows, Math.max(slab, fit / slab * slab));
    }

    private static long memory(PlannedTensor tensor, Grid grid, long rows) {
        int count = (int) Math.min(rows, Integer.MAX_VALUE);
        double sourceBytes = tensor.source().encoding().bitsPerElement() / 8;
        long slab = (long) slabRows(grid.columns, grid.order.group(), count) * grid.columns;
        long read = (long) readRows(grid.columns, grid.order.group(), count, sourceBytes) * grid.columns;
        long ahead = Math.min(count * (long) grid.columns, 2 * read);
        // the bytes as read and those of the next read, the weights in float32 (twice: as stored and in order), decoded
        // again, and encoded
        return (long) (ahead * sourceBytes)
                + WriteBehind.memory(
                        (long) (count * (long) grid.columns * tensor.type().bitsPerElement() / 8))
                + slab * 4 * (grid.order.isAsStored() ? 2 : 3)
                + (long) (slab * tensor.type().bitsPerElement() / 8)
                + (tensor.importance() == null ? 0 : 4L * grid.columns);
    }

    /** The byte range [from, from + length) of the parts laid end to end, as ranges of their files. */
    private static List<SourceRange> ranges(List<TensorLocation> parts, long from, long length) {
        List<SourceRange> ranges = new ArrayList<>();
        long partStart = 0;
        long end = from + length;
        for (TensorLocation part : parts) {
            long partEnd = partStart + part.length();
            long lo = Math.max(from, partStart);
            long hi = Math.min(end, partEnd);
            if (lo < hi) {
                ranges.add(new SourceRange(part.file(), part.offset() + lo - partStart, hi - lo));
            }
            partStart = partEnd;
        }
        return List.copyOf(ranges);
    }

    /** How a tensor is seen while it is cut. */
    private record Grid(int columns, long rows, long rowsPerMatrix, RowOrder order) {

        static Grid of(PlannedTensor tensor, long unitMemory) {
            RowOrder order =
                    tensor.source().source() instanceof ModelTensor.Stored stored ? stored.order() : RowOrder.AS_STORED;
            if (tensor.source().shape().rank() < 2 && !order.isAsStored()) {
                return new Grid(1, tensor.elements(), 0, order); // a bias: its elements are regrouped as rows are
            }
            boolean scalars =
                    tensor.type().isScalar() && tensor.source().encoding().blockElements() == 1;
            if (scalars && order.isAsStored() && tensor.source().shape().columns() > unitMemory / ROW_BYTES) {
                return new Grid(
                        1, tensor.elements(), 0, order); // rows too long for a unit, but scalars can be cut anywhere
            }
            long columns = tensor.source().shape().columns();
            if (columns > Integer.MAX_VALUE / 8) {
                throw new InvalidInputException(
                        "Cannot plan tensor " + tensor.name() + ": rows of " + columns + " columns are too long");
            }
            long rows = tensor.source().shape().rows();
            long matrices =
                    tensor.importance() == null ? 1 : tensor.importance().matrices();
            return new Grid((int) columns, rows, matrices > 1 ? rows / matrices : 0, order);
        }
    }
}
