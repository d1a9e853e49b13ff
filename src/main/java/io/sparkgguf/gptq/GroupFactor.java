package io.sparkgguf.gptq;

/**
 * The Hessian of one group of columns, small enough for plain loops: R with H⁻¹ = RᵀR, in float64, its rows and columns in the
 * order of the columns, walked from the first.
 */
final class GroupFactor {
    /** Rows and columns. */
    final int size;

    /** Upper triangular, row-major. */
    final float[] r;

    /**
     * @param h holds the symmetric block from {@code at} on, its rows {@code stride} apart; dead columns have been given a
     *     diagonal
     */
    GroupFactor(float[] h, int at, int stride, int size) {
        this.size = size;
        double[] v = new double[size * size];
        // H = V Vᵀ, V upper triangular, from the last column on
        for (int j = size - 1; j >= 0; j--) {
            for (int i = j; i >= 0; i--) {
                double sum = h[at + i * stride + j];
                for (int k = j + 1; k < size; k++) {
                    sum -= v[i * size + k] * v[j * size + k];
                }
                // rounding to float32 may take a nearly dependent column below zero; it is then held as almost fixed
                v[i * size + j] = i == j
                        ? Math.sqrt(Math.max(sum, 1e-6 * Math.max(h[at + i * stride + j], Float.MIN_NORMAL)))
                        : sum / v[j * size + j];
            }
        }
        double[] inverse = new double[size * size];
        for (int j = 0; j < size; j++) {
            inverse[j * size + j] = 1 / v[j * size + j];
            for (int i = j - 1; i >= 0; i--) {
                double sum = 0;
                for (int k = i + 1; k <= j; k++) {
                    sum += v[i * size + k] * inverse[k * size + j];
                }
                inverse[i * size + j] = -sum / v[i * size + i];
            }
        }
        r = new float[size * size];
        for (int i = 0; i < r.length; i++) {
            r[i] = (float) inverse[i];
        }
    }
}
