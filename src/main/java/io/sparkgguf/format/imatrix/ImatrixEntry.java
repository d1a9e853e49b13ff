package io.sparkgguf.format.imatrix;

import io.sparkgguf.format.gguf.Quoted;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import java.io.Serializable;

/**
 * Where one tensor's statistics lie in an importance-matrix file. Small and serializable: tasks take it along and load
 * their own slice.
 *
 * @param tensor the weight's name, for example {@code blk.0.ffn_down.weight}
 * @param file path or URI of the importance matrix
 * @param values number of values: columns of the tensor times its matrices (experts, heads)
 * @param valuesAt the file's byte at which they begin, float32 each, matrix after matrix
 * @param counts how many counts divide them: 1, or one for each matrix
 * @param countsAt the file's byte at which the counts begin, float32 each; -1 in a legacy file
 * @param calls the one divisor of a legacy file, 0 for none; 0 in a GGUF file
 */
public record ImatrixEntry(String tensor, String file, long values, long valuesAt, int counts, long countsAt, int calls)
        implements Serializable {

    /** Whether the file is of the legacy format. */
    public boolean legacy() {
        return countsAt < 0;
    }

    /**
     * How many matrices of {@code shape} have an importance of their own: experts or heads, 1 for a plain matrix.
     *
     * @param shape of the weight, outermost first: columns last, rows before, then matrices
     */
    public static long matrices(Shape shape) {
        long matrices = 1;
        for (int axis = 0; axis < shape.rank() - 2; axis++) {
            matrices *= shape.dimension(axis);
        }
        return matrices;
    }

    /**
     * Refuses statistics of another model.
     *
     * @param shape of the weight, outermost first
     * @throws InvalidInputException unless there is a value for each column of each matrix
     */
    public void requireFits(Shape shape) {
        long matrices = matrices(shape);
        if (values != shape.columns() * matrices || counts != 1 && counts != matrices) {
            throw new InvalidInputException("Cannot use imatrix " + file + " for tensor " + Quoted.of(tensor)
                    + ": it holds "
                    + values + " values with " + counts + " counts, but the tensor of shape " + shape + " needs "
                    + shape.columns() + " for each of " + matrices + " matrices");
        }
    }
}
