package io.sparkgguf.gptq;

import java.io.IOException;

/** The rows of an upper triangular factor R with H⁻¹ = RᵀR, H in the order in which the solver walks its columns. */
public interface FactorPanels {

    /** Rows and columns. */
    int order();

    /**
     * Copies {@code rows} rows from {@code firstRow} on, {@code order()} elements each, row after row from 0.
     *
     * @param into elements left of the diagonal are not looked at, whatever they are
     */
    void read(int firstRow, int rows, float[] into) throws IOException;
}
