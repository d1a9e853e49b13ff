package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.tensor.Shape;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows of a tensor that a task looks at together: some of those that were chosen, all of one matrix.
 *
 * @param tensor number of the tensor in the survey
 * @param name its name
 * @param columns of a row
 * @param tensorRows rows that it has, over all its matrices
 * @param chosen rows of it that are looked at, by all slices
 * @param first number of the first of them that this slice looks at
 * @param rows how many this slice looks at
 * @param matrix which of the tensor's matrices they are of
 */
record SurveySlice(int tensor, String name, int columns, long tensorRows, long chosen, long first, int rows, int matrix)
        implements Serializable {
    /** Weights of a slice, unless a row has more: enough that starting a task is nothing beside it. */
    private static final long WEIGHTS = 4 << 20;

    /** Where the chosen row {@code i} lies: in the middle of its share of the tensor. */
    static long row(long i, long chosen, long tensorRows) {
        return chosen == tensorRows ? i : (long) ((i + 0.5) * tensorRows / chosen);
    }

    /** Row {@code i} of this slice, counted in the tensor. */
    long row(int i) {
        return row(first + i, chosen, tensorRows);
    }

    long weights() {
        return (long) rows * columns;
    }

    /**
     * Cuts the chosen rows of a tensor. The same on every cluster, since sums are taken by slice.
     *
     * @param wanted rows to look at, 0 for all
     */
    static List<SurveySlice> cut(int tensor, ModelTensor of, int wanted) {
        Shape shape = of.shape();
        int columns = Math.toIntExact(shape.columns());
        long rows = shape.rows();
        long chosen = wanted == 0 ? rows : Math.min(rows, wanted);
        long rowsOfMatrix = rows / ImatrixEntry.matrices(shape);
        long most = Math.max(1, WEIGHTS / columns);
        List<SurveySlice> slices = new ArrayList<>();
        long first = 0;
        while (first < chosen) {
            long matrix = row(first, chosen, rows) / rowsOfMatrix;
            long end = first + 1;
            while (end < chosen && end - first < most && row(end, chosen, rows) / rowsOfMatrix == matrix) {
                end++;
            }
            slices.add(new SurveySlice(
                    tensor, of.name(), columns, rows, chosen, first, (int) (end - first), Math.toIntExact(matrix)));
            first = end;
        }
        return slices;
    }
}
