package io.sparkgguf.calibrate;

import java.io.Closeable;
import java.io.IOException;

/**
 * Sums of x xᵀ by tiles; for a grid of all tiles, sums of d xᵀ, with d and x side by side: a token's d, then its x.
 */
interface TileSums extends Closeable {

    /** Adds {@code tokens} rows from index 0: inputs, or pairs of twice as many columns. */
    void add(float[] x, int tokens) throws IOException;

    /** Writes all tiles. */
    void write(SectionWriter out) throws IOException;
}
