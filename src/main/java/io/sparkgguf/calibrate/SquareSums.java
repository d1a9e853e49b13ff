package io.sparkgguf.calibrate;

/**
 * Sums of squares of activations, column by column, in double and in the order of tokens: what an importance matrix is
 * made of, the diagonal of a Hessian.
 */
public final class SquareSums {
    private SquareSums() {}

    /** Adds the squares of {@code tokens} rows of {@code columns} values to {@code sums[at ..)}. */
    public static void add(float[] x, int xAt, int tokens, int columns, double[] sums, int at) {
        for (int token = 0; token < tokens; token++) {
            int row = xAt + token * columns;
            for (int column = 0; column < columns; column++) {
                double value = x[row + column];
                sums[at + column] += value * value;
            }
        }
    }
}
