package io.sparkgguf.plan;

import io.sparkgguf.format.imatrix.ImatrixEntry;
import java.io.Serializable;

/**
 * Where the importance of a matrix's columns is read, by the task that needs it.
 *
 * @param entry the tensor's place in the importance-matrix file
 * @param matrices how many matrices of the tensor have an importance of their own
 * @param matrix which of them, from 0
 */
public record ImportanceSource(ImatrixEntry entry, int matrices, int matrix) implements Serializable {

    /** The importance of another matrix of the same tensor. */
    ImportanceSource forMatrix(int other) {
        return new ImportanceSource(entry, matrices, other);
    }
}
