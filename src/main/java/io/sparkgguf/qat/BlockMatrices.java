package io.sparkgguf.qat;

import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.DecoderConfig;
import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;

/**
 * A matrix for each linear layer of a block, or for some: weights, or their gradients. By columns: what belongs to row r and
 * column c of a layer lies at {@code c * rows + r}, as grids have it.
 */
public final class BlockMatrices {
    /** Rows that are read and turned at a time: a cache line in each column. */
    private static final int ROWS = 16;

    private final Map<Layer, float[]> matrices = new EnumMap<>(Layer.class);

    /** Zeros for these layers. */
    public static BlockMatrices zeros(DecoderConfig config, Collection<Layer> layers) {
        BlockMatrices zeros = new BlockMatrices();
        for (Layer layer : layers) {
            zeros.put(layer, new float[layer.size(config)]);
        }
        return zeros;
    }

    /** All weights of a block. */
    public static BlockMatrices read(DecoderConfig config, WeightSource weights, int block) throws IOException {
        return read(config, weights, block, EnumSet.allOf(Layer.class));
    }

    /** The weights of some layers of a block. */
    public static BlockMatrices read(DecoderConfig config, WeightSource weights, int block, Collection<Layer> layers)
            throws IOException {
        BlockMatrices read = new BlockMatrices();
        for (Layer layer : layers) {
            int rows = layer.rows(config);
            int columns = layer.columns(config);
            float[] matrix = new float[layer.size(config)];
            float[] some = new float[Math.multiplyExact(ROWS, columns)];
            for (int first = 0; first < rows; first += ROWS) {
                int count = Math.min(ROWS, rows - first);
                weights.rows(layer.in(block) + ".weight", first, count, some, 0);
                for (int c = 0; c < columns; c++) {
                    for (int r = 0; r < count; r++) {
                        matrix[c * rows + first + r] = some[r * columns + c];
                    }
                }
            }
            read.put(layer, matrix);
        }
        return read;
    }

    /** Bytes of the matrices of these layers. */
    public static long memory(DecoderConfig config, Collection<Layer> layers) {
        return layers.stream()
                .mapToLong(layer -> (long) Float.BYTES * layer.size(config))
                .sum();
    }

    /** Adds a layer's matrix, or replaces it; kept, not copied. */
    public BlockMatrices put(Layer layer, float[] matrix) {
        matrices.put(layer, matrix);
        return this;
    }

    /** The same matrices, as another set. */
    public BlockMatrices copy() {
        BlockMatrices copy = new BlockMatrices();
        copy.matrices.putAll(matrices);
        return copy;
    }

    /** Whether this layer is among them. */
    public boolean has(Layer layer) {
        return matrices.containsKey(layer);
    }

    /** Whether there is none. */
    public boolean isEmpty() {
        return matrices.isEmpty();
    }

    /** The matrix itself. */
    public float[] of(Layer layer) {
        float[] matrix = matrices.get(layer);
        if (matrix == null) {
            throw new IllegalArgumentException("Cannot find a matrix for " + layer);
        }
        return matrix;
    }

    /** Adds another's matrices to these, element by element. Sums of many are taken in the caller's order. */
    public void add(BlockMatrices other) {
        matrices.forEach((layer, matrix) -> Pointwise.add(matrix, 0, other.of(layer), 0, matrix.length));
    }

    /** Makes all elements zero. */
    public void clear() {
        matrices.values().forEach(matrix -> Arrays.fill(matrix, 0));
    }
}
