package io.sparkgguf.model.forward;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.model.WeightSource;
import java.io.IOException;

/** Runs linear layers whose weights come slab by slab: as many rows at a time as a bounded array holds. */
final class LinearLayers {
    /** Weights of a slab: 8 MiB, more only where a single row is longer. */
    static final int SLAB = 1 << 21;

    /** Tokens that go through a slab at a time, so that what they make stays in the caches. */
    private static final int TOKENS = 512;

    private final WeightSource weights;
    private float[] slab = new float[0];
    private float[] upSlab = new float[0];
    private float[] up = new float[0];

    LinearLayers(WeightSource weights) {
        this.weights = weights;
    }

    /** Bytes that are held for layers of these sizes. */
    static long memory(long rows, long columns) {
        return Float.BYTES * Math.max(columns, Math.min(SLAB, rows * columns));
    }

    /** Bytes that {@link #gated} needs besides. */
    static long gatedMemory(long rows, long columns) {
        return memory(rows, columns) + Float.BYTES * TOKENS * Math.min(rows, slabRows(columns));
    }

    /** A whole vector. */
    float[] vector(String name) throws IOException {
        float[] vector = new float[Math.toIntExact(weights.shape(name).columns())];
        weights.rows(name, 0, 1, vector, 0);
        return vector;
    }

    /**
     * Each token's x through one layer: {@code out = x Wᵀ + bias}.
     *
     * @param name the layer's name without {@code .weight}
     * @param x {@code tokens} rows from index {@code xAt}
     * @param out receives {@code tokens} rows from index {@code outAt}
     */
    void apply(String name, float[] x, int xAt, int tokens, float[] out, int outAt) throws IOException {
        String weight = name + ".weight";
        int rows = Math.toIntExact(weights.shape(weight).rows());
        int columns = Math.toIntExact(weights.shape(weight).columns());
        int step = slabRows(columns);
        slab = room(slab, (long) Math.min(step, rows) * columns);
        for (int row = 0; row < rows; row += step) {
            int count = Math.min(step, rows - row);
            weights.rows(weight, row, count, slab, 0);
            for (int token = 0; token < tokens; token += TOKENS) {
                int some = Math.min(TOKENS, tokens - token);
                Gemm.multiplyTransposed(
                        some,
                        count,
                        columns,
                        x,
                        xAt + token * columns,
                        columns,
                        slab,
                        0,
                        columns,
                        false,
                        out,
                        outAt + token * rows + row,
                        rows);
            }
        }
        if (weights.has(name + ".bias")) {
            float[] bias = vector(name + ".bias");
            for (int token = 0; token < tokens; token++) {
                Pointwise.add(out, outAt + token * rows, bias, 0, rows);
            }
        }
    }

    /** The gated part: {@code out = gate(x Gᵀ + gate's bias) * (x Uᵀ + up's bias)}, from index 0 to index 0. */
    void gated(String gateName, String upName, DecoderConfig.Gate gate, float[] x, int tokens, float[] out)
            throws IOException {
        int rows = Math.toIntExact(weights.shape(gateName + ".weight").rows());
        int columns = Math.toIntExact(weights.shape(gateName + ".weight").columns());
        int step = slabRows(columns);
        int most = Math.min(step, rows);
        slab = room(slab, (long) most * columns);
        upSlab = room(upSlab, (long) most * columns);
        up = room(up, (long) most * Math.min(TOKENS, tokens));
        float[] gateBias = weights.has(gateName + ".bias") ? vector(gateName + ".bias") : null;
        float[] upBias = weights.has(upName + ".bias") ? vector(upName + ".bias") : null;
        for (int row = 0; row < rows; row += step) {
            int count = Math.min(step, rows - row);
            weights.rows(gateName + ".weight", row, count, slab, 0);
            weights.rows(upName + ".weight", row, count, upSlab, 0);
            for (int token = 0; token < tokens; token += TOKENS) {
                int some = Math.min(TOKENS, tokens - token);
                int xAt = token * columns;
                int outAt = token * rows + row;
                Gemm.multiplyTransposed(
                        some, count, columns, x, xAt, columns, slab, 0, columns, false, out, outAt, rows);
                Gemm.multiplyTransposed(some, count, columns, x, xAt, columns, upSlab, 0, columns, false, up, 0, count);
                for (int i = 0; i < some; i++) {
                    if (gateBias != null) {
                        Pointwise.add(out, outAt + i * rows, gateBias, row, count);
                    }
                    if (upBias != null) {
                        Pointwise.add(up, i * count, upBias, row, count);
                    }
                    switch (gate) {
                        case SILU -> Pointwise.gate(out, outAt + i * rows, up, i * count, count);
                        case SQUARED_RELU -> Pointwise.gateSquaredRelu(out, outAt + i * rows, up, i * count, count);
                    }
                }
            }
        }
    }

    private static int slabRows(long columns) {
        return (int) Math.max(1, SLAB / columns);
    }

    /** The array itself when it holds so many floats, else a new one that does. */
    static float[] room(float[] array, long floats) {
        return array.length >= floats ? array : new float[Math.toIntExact(floats)];
    }
}
