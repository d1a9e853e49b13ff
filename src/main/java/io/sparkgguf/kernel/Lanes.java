package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Blocks in lanes: the layout in which vector kernels keep every bit of their scalar twins.
 *
 * <p>A tile holds as many blocks as a vector has lanes, transposed: element i of block b lies at {@code i * WIDTH + b}.
 * A kernel walks the elements in order and treats all blocks at once, so each block's sums are taken in exactly the
 * order of the scalar loop and the result does not depend on the vector's width.
 *
 * <p>How kernels are written, so that C2 compiles them to plain vector instructions on JDK 17 too:
 * <ul>
 *   <li>Nothing returns a vector to a large method: with all that is inlined into it, C2 stops inlining what is not the
 *       JDK's own, and a vector that crosses a call is an object.
 *   <li>Shifts are by constants: one by a loop's counter has been seen to shift by a stale counter.
 *   <li>Vectors of floats have one width. A second one, if only for halves that become doubles, makes the JDK's own methods
 *       doubt the class of every vector of floats: matrix products became fifty times slower, for the life of the process.
 *   <li>No casts of floats to integers, masked loads and stores, or masks as numbers.
 * </ul>
 */
public final class Lanes {
    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

    /** Lanes of a vector: blocks of a tile. */
    public static final int WIDTH = FLOATS.length();

    /** 1.5 * 2^23: adding and subtracting it rounds |v| up to 2^22 - 1 to the nearest integer, ties to even. */
    static final float ROUND = 12582912f;

    private static final ThreadLocal<int[]> STARTS = ThreadLocal.withInitial(() -> new int[WIDTH]);

    static {
        WarmUp.run();
    }

    private Lanes() {}

    /**
     * Copies {@code blocks} consecutive blocks of {@code elements} floats into a tile; the lanes beyond repeat the first.
     *
     * @param tile receives {@code elements * WIDTH} floats from 0
     */
    static void gather(float[] x, int at, int blocks, int elements, float[] tile) {
        int[] starts = STARTS.get();
        for (int b = 0; b < WIDTH; b++) {
            starts[b] = b < blocks ? at + b * elements : at;
        }
        gather(x, starts, elements, tile, 0);
    }

    /**
     * Copies blocks of a row that repeats, as an importance row does for all rows of a matrix, into a tile.
     *
     * @param block number of the first block, counted over rows
     * @param blocksPerRow after so many blocks the row starts again
     */
    static void gatherCyclic(float[] row, int at, int block, int blocksPerRow, int elements, float[] tile) {
        int[] starts = STARTS.get();
        for (int b = 0; b < WIDTH; b++) {
            starts[b] = at + (block + b) % blocksPerRow * elements;
        }
        gather(row, starts, elements, tile, 0);
    }

    /** Copies the blocks of {@code elements} floats that begin at {@code starts} into a tile from {@code tileAt}. */
    static void gather(float[] x, int[] starts, int elements, float[] tile, int tileAt) {
        if (Transposition.WORKS && elements % Transposition.SIZE == 0) {
            Transposition.columns(x, starts, elements, tile, tileAt);
            return;
        }
        for (int b = 0; b < WIDTH; b++) {
            int from = starts[b];
            for (int i = 0; i < elements; i++) {
                tile[tileAt + i * WIDTH + b] = x[from + i];
            }
        }
    }

    /** Four vectors of numbers below 256 that follow each other, as the four bytes of one vector, the first lowest. */
    static IntVector bytes(int[] numbers, int at) {
        return IntVector.fromArray(INTS, numbers, at)
                .or(IntVector.fromArray(INTS, numbers, at + WIDTH).lanewise(VectorOperators.LSHL, 8))
                .or(IntVector.fromArray(INTS, numbers, at + 2 * WIDTH).lanewise(VectorOperators.LSHL, 16))
                .or(IntVector.fromArray(INTS, numbers, at + 3 * WIDTH).lanewise(VectorOperators.LSHL, 24));
    }
}
