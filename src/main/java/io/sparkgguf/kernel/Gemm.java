package io.sparkgguf.kernel;

/**
 * Products of float32 matrices. Every matrix is row-major in an array, from an offset on, its rows a leading dimension apart.
 *
 * <p>Each element of C is one chain of fused multiply-adds over k in ascending order, from 0 or from what C held: its bits do
 * not depend on the vector's width, on how the work is cut, nor on the other rows and columns. C must not overlap A or B.
 */
public final class Gemm {
    private Gemm() {}

    /** {@code C = A Bᵀ}, or {@code C += A Bᵀ}: A is m × k, B n × k, C m × n. A linear layer, its weights being B. */
    public static void multiplyTransposed(
            int m,
            int n,
            int k,
            float[] a,
            int aAt,
            int lda,
            float[] b,
            int bAt,
            int ldb,
            boolean add,
            float[] c,
            int cAt,
            int ldc) {
        run(m, n, k, a, aAt, lda, 1, b, bAt, 1, ldb, add, 1, false, c, cAt, ldc);
    }

    /** {@code C = A B}, or {@code C += A B}: A is m × k, B k × n, C m × n. */
    public static void multiply(
            int m,
            int n,
            int k,
            float[] a,
            int aAt,
            int lda,
            float[] b,
            int bAt,
            int ldb,
            boolean add,
            float[] c,
            int cAt,
            int ldc) {
        run(m, n, k, a, aAt, lda, 1, b, bAt, ldb, 1, add, 1, false, c, cAt, ldc);
    }

    /** {@code C -= A B}: A is m × k, B k × n, C m × n. */
    public static void subtract(
            int m,
            int n,
            int k,
            float[] a,
            int aAt,
            int lda,
            float[] b,
            int bAt,
            int ldb,
            float[] c,
            int cAt,
            int ldc) {
        run(m, n, k, a, aAt, lda, 1, b, bAt, ldb, 1, true, -1, false, c, cAt, ldc);
    }

    /** {@code C = Aᵀ B}, or {@code C += Aᵀ B}: A is k × m, B k × n, C m × n. The gradient of a layer's weights. */
    public static void multiplyTransposedLeft(
            int m,
            int n,
            int k,
            float[] a,
            int aAt,
            int lda,
            float[] b,
            int bAt,
            int ldb,
            boolean add,
            float[] c,
            int cAt,
            int ldc) {
        run(m, n, k, a, aAt, 1, lda, b, bAt, ldb, 1, add, 1, false, c, cAt, ldc);
    }

    /** {@code C -= Aᵀ B}: A is k × m, B k × n, C m × n. */
    public static void subtractTransposedLeft(
            int m,
            int n,
            int k,
            float[] a,
            int aAt,
            int lda,
            float[] b,
            int bAt,
            int ldb,
            float[] c,
            int cAt,
            int ldc) {
        run(m, n, k, a, aAt, 1, lda, b, bAt, ldb, 1, true, -1, false, c, cAt, ldc);
    }

    private static void run(
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
        FloatPanels.run(m, n, k, a, aAt, aRow, aColumn, b, bAt, bRow, bColumn, add, sign, upper, c, cAt, ldc);
    }
}
