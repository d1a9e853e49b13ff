package io.sparkgguf.gptq;

import java.io.IOException;

/** The rows of a symmetric Hessian, the sum of x xᵀ over tokens, in the order of the weights' columns and without damping. */
public interface HessianRows {

    /** Rows and columns. */
    int order();

    /** Copies {@code rows} full rows from {@code firstRow} on, {@code order()} elements each, row after row from 0. */
    void read(int firstRow, int rows, float[] into) throws IOException;
}
