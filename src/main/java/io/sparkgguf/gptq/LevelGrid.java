package io.sparkgguf.gptq;

import io.sparkgguf.kernel.GridRounding;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.ScaleParts;
import java.util.Arrays;

/**
 * The grids of some rows over a range of columns and the level of each weight, held by columns: what is known of column c
 * and row r lies at {@code c * rows + r}, so that a step takes all rows at once.
 *
 * <p>Scales come from the encoder. Where it chose another level than the nearest (its search weighs a block as a whole, ties
 * go either way, a scale of zero leaves all levels equal), its choice stands as long as the weight is still the one that it
 * saw: so a weight that no error reached has the encoder's bytes.
 */
final class LevelGrid {
    /** Columns that are brought together at a time, a line of the cache. */
    private static final int GATHERED = 16;

    private final GridFormat grid;
    private final int rows;
    private final int columns;
    private final int rowBytes;
    private final byte[] points;
    private final boolean uniform;
    /** Of group g and row r at {@code g * rows + r}. */
    final float[] scales;

    /** Likewise. */
    final float[] offsets;

    /** Of column c and row r at {@code c * rows + r}. */
    final byte[] levels;

    private final byte[] blocks;
    private ScaleParts parts;
    private final int words;
    private final long[] chosen;
    private float[] seen;
    private int seenAt;
    private int seenStride;

    LevelGrid(GridFormat grid, int rows, int columns) {
        this.grid = grid;
        this.rows = rows;
        this.columns = columns;
        rowBytes = Math.toIntExact(grid.type().bytes(columns));
        points = grid.points();
        uniform = grid.uniform();
        int groups = columns / grid.groupElements();
        scales = new float[groups * rows];
        offsets = new float[groups * rows];
        levels = new byte[Math.multiplyExact(rows, columns)];
        blocks = new byte[Math.multiplyExact(rows, rowBytes)];
        words = (rows + Long.SIZE - 1) / Long.SIZE;
        chosen = new long[columns * words];
    }

    /** Bytes that a grid holds. */
    static long memory(GridFormat grid, int rows, int columns) {
        long elements = (long) rows * columns;
        return elements / grid.groupElements() * 2 * Float.BYTES
                + elements
                + rows * grid.type().bytes(columns)
                + elements / Byte.SIZE
                + (long) columns * Long.BYTES;
    }

    /**
     * Finds scales for these weights and takes the encoder's levels.
     *
     * @param weights element (row, column) at {@code at + row * columns + column}; kept, and looked at by {@link #round}
     */
    void encode(float[] weights, int at, float[] importance, int importanceAt) {
        BlockFormat format = BlockFormats.of(grid.type());
        format.encode(weights, at, rows, columns, importance, importanceAt, blocks, 0);
        read();
        seen = weights;
        seenAt = at;
        seenStride = columns;
        Arrays.fill(chosen, 0);
        float[] tile = new float[GATHERED * rows];
        float[] values = new float[rows];
        byte[] nearest = new byte[rows];
        for (int first = 0; first < columns; first += GATHERED) {
            int count = Math.min(GATHERED, columns - first);
            for (int r = 0; r < rows; r++) {
                for (int i = 0; i < count; i++) {
                    tile[i * rows + r] = weights[at + r * columns + first + i];
                }
            }
            for (int i = 0; i < count; i++) {
                int c = first + i;
                nearest(c, 0, rows, tile, i * rows, nearest, 0, values, 0);
                if (!Arrays.equals(nearest, 0, rows, levels, c * rows, (c + 1) * rows)) {
                    mark(c, nearest);
                }
            }
        }
    }

    private void mark(int column, byte[] nearest) {
        for (int r = 0; r < rows; r++) {
            if (nearest[r] != levels[column * rows + r]) {
                chosen[column * words + (r >>> 6)] |= 1L << r;
            }
        }
    }

    /** Takes scales and levels from blocks; {@link #round} is then always to the nearest. */
    void load(byte[] from, int at) {
        System.arraycopy(from, at, blocks, 0, blocks.length);
        read();
        Arrays.fill(chosen, 0);
    }

    /** What the scales are made of; {@link #write} writes them as they are by then. */
    ScaleParts parts() {
        if (parts == null) {
            parts = ScaleParts.of(grid, rows, columns);
            grid.readScales(blocks, 0, rows, columns, parts);
        }
        return parts;
    }

    private void read() {
        parts = null;
        grid.readGrid(blocks, 0, rows, columns, scales, offsets);
        grid.readLevels(blocks, 0, rows, columns, levels);
    }

    /**
     * Rounds the weights of a column, in rows {@code row} to {@code row + count}, to their levels.
     *
     * @param weights from {@code weightsAt}
     * @param values receives what the levels decode to, from {@code valuesAt}
     */
    void round(int column, int row, int count, float[] weights, int weightsAt, float[] values, int valuesAt) {
        int at = column * rows + row;
        boolean choices = false;
        for (int word = row >>> 6; word <= row + count - 1 >>> 6; word++) {
            choices |= chosen[column * words + word] != 0;
        }
        byte[] before = choices ? Arrays.copyOfRange(levels, at, at + count) : null;
        nearest(column, row, count, weights, weightsAt, levels, at, values, valuesAt);
        if (!choices) {
            return;
        }
        int group = column / grid.groupElements() * rows;
        for (int i = 0; i < count; i++) {
            int r = row + i;
            if ((chosen[column * words + (r >>> 6)] >>> r & 1) != 0
                    && weights[weightsAt + i] == seen[seenAt + r * seenStride + column]) {
                levels[at + i] = before[i];
                values[valuesAt + i] = value(group + r, before[i]);
            }
        }
    }

    /** What a level decodes to in the group and row at this place in {@link #scales}. */
    float value(int groupAt, byte level) {
        float product = scales[groupAt] * points[level & 0xff];
        return product - offsets[groupAt];
    }

    /** Replaces weights, laid out like the levels, by what the levels decode to minus them. */
    void subtractFrom(float[] weights) {
        for (int c = 0; c < columns; c++) {
            int group = c / grid.groupElements() * rows;
            for (int r = 0; r < rows; r++) {
                int at = c * rows + r;
                weights[at] = value(group + r, levels[at]) - weights[at];
            }
        }
    }

    private void nearest(
            int column, int row, int count, float[] w, int wAt, byte[] into, int at, float[] values, int valuesAt) {
        int group = column / grid.groupElements() * rows + row;
        GridRounding.round(points, uniform, w, wAt, count, scales, group, offsets, group, into, at, values, valuesAt);
    }

    /** Writes scales and levels. */
    void write(byte[] into, int at, int stride) {
        if (parts != null) {
            grid.writeScales(parts, rows, columns, blocks, 0);
        }
        grid.writeLevels(levels, rows, columns, blocks, 0);
        for (int r = 0; r < rows; r++) {
            System.arraycopy(blocks, r * rowBytes, into, at + r * stride, rowBytes);
        }
    }
}
