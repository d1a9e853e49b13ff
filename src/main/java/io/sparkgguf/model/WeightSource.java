package io.sparkgguf.model;

import io.sparkgguf.tensor.Shape;
import java.io.Closeable;
import java.io.IOException;

/**
 * A model's weights as float32 under GGUF's names and in GGUF's row order, whatever they are stored as: one forward pass
 * runs from the checkpoint and from the finished file. For one thread.
 */
public interface WeightSource extends Closeable {

    /** Whether there is a tensor of this name. */
    boolean has(String name);

    /**
     * A tensor's shape, outermost first.
     *
     * @throws IllegalArgumentException when there is no such tensor
     */
    Shape shape(String name);

    /**
     * Reads consecutive rows; a vector is one row.
     *
     * @param firstRow the first of them
     * @param into receives {@code rows * shape(name).columns()} values from index {@code at}, row after row
     * @throws IllegalArgumentException when there is no such tensor or it has no such rows
     * @throws io.sparkgguf.tensor.InvalidInputException when what is stored is damaged
     */
    void rows(String name, long firstRow, int rows, float[] into, int at) throws IOException;
}
