package io.sparkgguf.calibrate;

import java.io.Closeable;
import java.io.IOException;

/** Sums of x xᵀ by tiles. */
interface TileSums extends Closeable {

    /** Adds {@code tokens} rows of inputs from index 0. */
    void add(float[] x, int tokens) throws IOException;

    /** Writes all tiles. */
    void write(SectionWriter out) throws IOException;
}
