package io.sparkgguf.quant;

import io.sparkgguf.tensor.BlockType;

/**
 * The blocks of one type as a grid for solvers that choose levels themselves: the scales are read from blocks that were
 * encoded before, levels are chosen against them and written back into the same blocks.
 *
 * <p>The value of a level is {@code scale * points[level] - offset}, both operations rounded to float32: the very
 * arithmetic of {@link BlockFormat#decode}. The scale is {@code d * scaleCode}, the offset {@code dmin * minimumCode}; it
 * is zero in types that are not {@link #affine()}. A group is the run of weights that share a scale.
 *
 * <p>Blocks lie row after row, as {@link BlockFormat#encode} writes them. Everything else lies column after column: what
 * belongs to column c (or block c, or group c of a row) of row r is at {@code c * rows + r}, so that one step of a solver
 * is a vector over rows.
 *
 * <p>Levels are bytes without sign: {@code points()[level & 0xff]}. All arrays but the blocks are used from index 0.
 * Stateless and safe for use by many threads. A call whose rows, columns or arrays do not fit is refused with an
 * IllegalArgumentException or IndexOutOfBoundsException.
 */
public interface GridFormat {

    /** The type of the blocks. */
    BlockType type();

    /** Weights that share a scale. */
    int groupElements();

    /** The value of each level for scale 1 and offset 0, ascending; a new array. */
    byte[] points();

    /** Whether points are consecutive integers. */
    boolean uniform();

    /** Whether groups have an offset. */
    boolean affine();

    /** The smallest scale code; 1, like the largest, in types whose groups are whole blocks with a d of their own. */
    int minScaleCode();

    /** The largest scale code. */
    int maxScaleCode();

    /** The largest minimum code, the smallest being 0; 1 in types without minimum codes, where it is always 1. */
    int maxMinimumCode();

    /**
     * Reads the scales and offsets of all groups.
     *
     * @param columns weights of a row, whole blocks
     * @param scales receives {@code columns / groupElements() * rows} numbers
     * @param offsets receives as many
     */
    void readGrid(byte[] blocks, int at, int rows, int columns, float[] scales, float[] offsets);

    /**
     * Reads the levels of all weights. Blocks that no encoder wrote may hold levels that have no point: TQ2_0 has room for
     * a fourth.
     *
     * @param levels receives {@code columns * rows} levels
     */
    void readLevels(byte[] blocks, int at, int rows, int columns, byte[] levels);

    /**
     * Writes the levels of all weights; scales stay as they are.
     *
     * @param levels below the number of {@link #points()}; what is not makes the blocks' bytes unspecified
     */
    void writeLevels(byte[] levels, int rows, int columns, byte[] blocks, int at);

    /** Reads what scales and offsets are made of. */
    void readScales(byte[] blocks, int at, int rows, int columns, ScaleParts parts);

    /**
     * Writes what scales and offsets are made of, d and dmin rounded to binary16; levels stay as they are.
     *
     * @throws IllegalArgumentException when a code is beyond its limits
     */
    void writeScales(ScaleParts parts, int rows, int columns, byte[] blocks, int at);
}
