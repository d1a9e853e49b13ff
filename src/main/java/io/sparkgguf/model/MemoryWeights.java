package io.sparkgguf.model;

import io.sparkgguf.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.Map;

/** Weights that are in memory already. */
public final class MemoryWeights implements WeightSource {
    private record Entry(Shape shape, float[] values) {}

    private final Map<String, Entry> tensors = new LinkedHashMap<>();

    /**
     * Adds a tensor, or replaces the one of this name.
     *
     * @param values row-major in GGUF's row order; kept, not copied
     */
    public MemoryWeights put(String name, Shape shape, float[] values) {
        if (shape.elements() != values.length) {
            throw new IllegalArgumentException(
                    "Cannot hold tensor " + name + ": " + values.length + " values for shape " + shape);
        }
        tensors.put(name, new Entry(shape, values));
        return this;
    }

    @Override
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    @Override
    public Shape shape(String name) {
        return find(name).shape();
    }

    @Override
    public void rows(String name, long firstRow, int rows, float[] into, int at) {
        Entry entry = find(name);
        if (firstRow < 0 || rows < 0 || firstRow > entry.shape().rows() - rows) {
            throw new IllegalArgumentException("Cannot read " + rows + " rows from " + firstRow + " of tensor " + name
                    + ": it has " + entry.shape().rows());
        }
        int columns = Math.toIntExact(entry.shape().columns());
        System.arraycopy(entry.values(), Math.toIntExact(firstRow * columns), into, at, rows * columns);
    }

    @Override
    public void close() {}

    private Entry find(String name) {
        Entry entry = tensors.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("Cannot find tensor " + name);
        }
        return entry;
    }
}
