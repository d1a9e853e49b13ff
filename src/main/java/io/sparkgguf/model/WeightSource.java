package io.sparkgguf.model;

import io.sparkgguf.tensor.Shape;
import java.io.Closeable;
import java.io.IOException;

/**
 * The weights of one model under GGUF's names and in GGUF's row order, whatever they are read from: a checkpoint, a
 * finished GGUF file, or one of them with some tensors replaced. For use by one thread.
 */
public interface WeightSource extends Closeable {

    /** Whether there is a tensor of this name. */
    boolean has(String name);

    /** Its dimensions, outermost first. */
    Shape shape(String name);

    /**
     * Reads rows {@code [firstRow, firstRow + rows)} of a tensor as float32, row after row, into {@code into[at ..)}. A
     * vector is one row.
     *
     * @throws IOException when they cannot be read
     */
    void rows(String name, long firstRow, int rows, float[] into, int at) throws IOException;
}
