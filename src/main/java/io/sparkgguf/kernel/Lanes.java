package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Blocks in lanes: the layout in which vector kernels keep every bit of their scalar twins.
 *
 * <p>A tile holds as many blocks as a vector has lanes, transposed: element i of block b lies at {@code i * WIDTH + b}.
 * A kernel walks the elements in order and treats all blocks at once, so each block's sums are taken in exactly the
 * order of the scalar loop and the result does not depend on the vector's width.
 */
public final class Lanes {
    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

    /** Lanes of a vector: blocks of a tile. */
    public static final int WIDTH = FLOATS.length();

    /** 1.5 * 2^23: adding and subtracting it rounds |v| up to 2^22 - 1 to the nearest integer, ties to even. */
    static final float ROUND = 12582912f;

    private Lanes() {}

    /**
     * Copies {@code blocks} consecutive blocks of {@code elements} floats into a tile; the lanes beyond are zeroed.
     *
     * @param tile receives {@code elements * WIDTH} floats from 0
     */
    static void gather(float[] x, int at, int blocks, int elements, float[] tile) {
        for (int b = 0; b < blocks; b++) {
            int from = at + b * elements;
            for (int i = 0; i < elements; i++) {
                tile[i * WIDTH + b] = x[from + i];
            }
        }
        for (int b = blocks; b < WIDTH; b++) {
            for (int i = 0; i < elements; i++) {
                tile[i * WIDTH + b] = 0f;
            }
        }
    }

    /**
     * Copies {@code count} blocks of a row that repeats, as an importance row does for all rows of a matrix, into a tile.
     *
     * @param block number of the first block, counted over rows
     * @param blocksPerRow after so many blocks the row starts again
     */
    static void gatherCyclic(float[] row, int at, int block, int blocksPerRow, int count, int elements, float[] tile) {
        for (int b = 0; b < count; b++) {
            int from = at + (block + b) % blocksPerRow * elements;
            for (int i = 0; i < elements; i++) {
                tile[i * WIDTH + b] = row[from + i];
            }
        }
    }
}
