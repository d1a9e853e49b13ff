package io.sparkgguf.model;

import java.io.Serializable;

/**
 * Which source row each output row is: either as they come, or the regrouping of rotary halves into interleaved pairs
 * that llama-like query and key projections need.
 *
 * @param headRows 0 when rows stay in their order; otherwise rows of one head, even: output row {@code 2 i + h} of a
 *     head is source row {@code h * headRows / 2 + i}, so every head is a group closed under the permutation
 */
public record RowOrder(int headRows) implements Serializable {
    public static final RowOrder AS_STORED = new RowOrder(0);

    public RowOrder {
        if (headRows < 0 || headRows % 2 != 0) {
            throw new IllegalArgumentException("Cannot interleave heads of " + headRows + " rows: must be even");
        }
    }

    public static RowOrder interleaveHalves(int headRows) {
        return new RowOrder(headRows);
    }

    public boolean isAsStored() {
        return headRows == 0;
    }

    /** Rows that permute among themselves; slices of the tensor are cut at multiples of this. */
    public int group() {
        return headRows == 0 ? 1 : headRows;
    }

    /** The source row that becomes output row {@code row}. */
    public long sourceRow(long row) {
        if (headRows == 0) {
            return row;
        }
        long head = row / headRows;
        long within = row % headRows;
        return head * headRows + (within & 1) * (headRows / 2) + (within >> 1);
    }
}
