package io.sparkgguf.plan;

import io.sparkgguf.model.RowOrder;
import io.sparkgguf.model.TernarySource;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import java.io.Serializable;
import java.util.List;

/**
 * A slice of rows of one output tensor: what one task reads, encodes and writes by itself.
 *
 * <p>It carries only what its own rows need, so that a plan of 50,000 units stays small. A scalar tensor whose rows keep
 * their order is seen as rows of one element, so that it can be cut anywhere.
 *
 * @param id place in the plan, in order of the output
 * @param tensor index of its tensor in the plan
 * @param name GGUF name of its tensor
 * @param source how its values are stored
 * @param target type to write
 * @param columns elements of a row
 * @param firstRow first output row, over all matrices of a stack
 * @param rows output rows
 * @param order which source row each output row is; the slice is whole groups of it
 * @param ternary how what is stored becomes the weights of a BitNet layer, or null when it is the weights
 * @param ranges the stored bytes of these rows, concatenated; empty when {@code computed} is given
 * @param computed null, or the values themselves
 * @param importance null, or where the importance of the columns is read
 * @param output index of the output file
 * @param offset first byte in the output file
 * @param bytes bytes of the result
 * @param memory bytes that encoding it takes at its peak
 * @param cost estimated seconds of one core
 */
public record WorkUnit(
        int id,
        int tensor,
        String name,
        Encoding source,
        BlockType target,
        int columns,
        long firstRow,
        int rows,
        RowOrder order,
        TernarySource ternary,
        List<SourceRange> ranges,
        float[] computed,
        ImportanceSource importance,
        int output,
        long offset,
        long bytes,
        long memory,
        double cost)
        implements Serializable {

    /** Weights of the slice. */
    public long elements() {
        return (long) rows * columns;
    }

    /** Bytes it reads from the checkpoint. */
    public long sourceBytes() {
        long sum = 0;
        for (SourceRange range : ranges) {
            sum += range.length();
        }
        return sum;
    }

    /** Whether the source's bytes are the result. */
    public boolean isCopy() {
        return computed == null
                && ternary == null
                && order.isAsStored()
                && source.label().equals(target.label());
    }

    /** The same unit, rounded plainly. */
    public WorkUnit withoutImportance() {
        return new WorkUnit(
                id, tensor, name, source, target, columns, firstRow, rows, order, ternary, ranges, computed, null,
                output, offset, bytes, memory, cost);
    }
}
