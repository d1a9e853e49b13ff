package io.sparkgguf.gptq;

import java.util.Arrays;
import java.util.Comparator;

/** The order in which the solver walks the columns. The file's order is never changed by it. */
public enum ColumnOrder {
    /** As they are. */
    NATURAL,
    /** Largest diagonal element of the Hessian first, so that what matters most is rounded while all others can make up for it. */
    ACT,
    /** Super-blocks by their sum of the diagonal, and within each its columns by theirs: for scales found in the loop. */
    GROUPED;

    /** Columns of a super-block; a row's last may be shorter. */
    static final int GROUP = 256;

    /**
     * The permutation: element i is the column that is walked as the i-th.
     *
     * @param diagonal of the Hessian, in the order of the columns; equal elements keep the order of the columns
     */
    public int[] of(double[] diagonal) {
        int columns = diagonal.length;
        double[] groups = new double[(columns + GROUP - 1) / GROUP];
        for (int i = 0; i < columns; i++) {
            groups[i / GROUP] += diagonal[i];
        }
        Integer[] order = new Integer[columns];
        Arrays.setAll(order, i -> i);
        Comparator<Integer> largest = Comparator.comparingDouble(i -> -diagonal[i]);
        switch (this) {
            case NATURAL -> {}
            case ACT -> Arrays.sort(order, largest);
            case GROUPED ->
                Arrays.sort(
                        order,
                        Comparator.<Integer>comparingDouble(i -> -groups[i / GROUP])
                                .thenComparing(i -> i / GROUP)
                                .thenComparing(largest));
        }
        return Arrays.stream(order).mapToInt(Integer::intValue).toArray();
    }

    /** Whether the columns of each super-block are walked one after the other. */
    boolean keepsGroups() {
        return this != ACT;
    }
}
