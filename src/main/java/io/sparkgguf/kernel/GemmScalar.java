package io.sparkgguf.kernel;

/**
 * What {@link Gemm}, {@link DoubleGemm} and {@link Gram} compute, element by element. Matrices are given by the distance of
 * neighbours in a column and in a row, so that one loop serves transposed ones too.
 */
final class GemmScalar {
    private GemmScalar() {}

    /**
     * {@code c[i][j] = fma(sign * a[i][p], b[p][j], c[i][j])} for p from 0 to k - 1, from c itself or, unless {@code add},
     * from 0.
     *
     * @param upper leaves out the elements below the diagonal
     */
    static void run(
            int m,
            int n,
            int k,
            float[] a,
            int aAt,
            int aRow,
            int aColumn,
            float[] b,
            int bAt,
            int bRow,
            int bColumn,
            boolean add,
            float sign,
            boolean upper,
            float[] c,
            int cAt,
            int ldc) {
        for (int i = 0; i < m; i++) {
            for (int j = upper ? i : 0; j < n; j++) {
                float sum = add ? c[cAt + i * ldc + j] : 0f;
                for (int p = 0; p < k; p++) {
                    sum = Math.fma(sign * a[aAt + i * aRow + p * aColumn], b[bAt + p * bRow + j * bColumn], sum);
                }
                c[cAt + i * ldc + j] = sum;
            }
        }
    }

    /** The same in doubles. */
    static void run(
            int m,
            int n,
            int k,
            double[] a,
            int aAt,
            int aRow,
            int aColumn,
            double[] b,
            int bAt,
            int bRow,
            int bColumn,
            boolean add,
            double sign,
            boolean upper,
            double[] c,
            int cAt,
            int ldc) {
        for (int i = 0; i < m; i++) {
            for (int j = upper ? i : 0; j < n; j++) {
                double sum = add ? c[cAt + i * ldc + j] : 0d;
                for (int p = 0; p < k; p++) {
                    sum = Math.fma(sign * a[aAt + i * aRow + p * aColumn], b[bAt + p * bRow + j * bColumn], sum);
                }
                c[cAt + i * ldc + j] = sum;
            }
        }
    }

    /** {@link Gram#add}: the products of a chunk of tokens in floats, the sum of chunks in doubles. */
    static void gram(
            float[] x,
            int xAt,
            int tokens,
            int stride,
            int rowAt,
            int rows,
            int columnAt,
            int columns,
            double[] tile,
            int ld) {
        for (int from = 0; from < tokens; from += Gram.CHUNK) {
            int to = Math.min(tokens, from + Gram.CHUNK);
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < columns; j++) {
                    float sum = 0;
                    for (int t = from; t < to; t++) {
                        int token = xAt + t * stride;
                        sum = Math.fma(x[token + rowAt + i], x[token + columnAt + j], sum);
                    }
                    tile[i * ld + j] += sum;
                }
            }
        }
    }
}
