package io.sparkgguf.calibrate;

import io.sparkgguf.kernel.Gram;
import io.sparkgguf.model.forward.LinearInput;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Neighbouring tiles of a Hessian, or of Δ = Σ (y - x) xᵀ, that one task makes: it reads the strips of columns that they need
 * of all shards and sums the products.
 *
 * <p>The sums, in this order, define the result to its last bit, whatever the blocks and tiles: the products of 512 tokens of
 * a batch are summed in float32 ({@link Gram}), these chunks of a shard in float64, and the shards in float64.
 *
 * @param grid of the matrix; with all tiles it is Δ, else a Hessian
 * @param i first row of tiles
 * @param endI behind the last one
 * @param j first column of tiles; a block on the diagonal has its columns where its rows are
 * @param endJ behind the last one
 */
public record TileBlock(TileGrid grid, int i, int endI, int j, int endJ) implements Serializable {
    /** Rows and columns of the smallest blocks that are made of larger matrices: with less, more is read than summed. */
    private static final int LEAST_COLUMNS = 4096;

    /** Whether it is part of Δ. */
    public boolean isDelta() {
        return grid.kept() == TileGrid.Kept.ALL;
    }

    /** Its tiles that are kept. */
    public int tiles() {
        int count = 0;
        for (int row = i; row < endI; row++) {
            count += endJ - first(row);
        }
        return count;
    }

    /** The first tile of a row of tiles that is kept. */
    private int first(int row) {
        return Math.max(j, grid.begin(row));
    }

    /** Whether its columns are among its rows, so that they are read once. */
    private boolean isOnDiagonal() {
        return !isDelta() && i == j;
    }

    /** Columns of inputs that are read for it. */
    public int columnsRead() {
        return columns(j, endJ) + (isOnDiagonal() ? 0 : columns(i, endI));
    }

    /** Products for each token. */
    public long products() {
        long rows = columns(i, endI);
        return isOnDiagonal() ? rows * (rows + 1) / 2 : rows * columns(j, endJ);
    }

    private int columns(int from, int end) {
        return Math.min(grid.order(), end * grid.tileSize()) - from * grid.tileSize();
    }

    /** Bytes that {@link #sum} holds. */
    public long memory(int batchTokens) {
        long strips = (endJ - j + 1L) * grid.tileSize();
        return 2L * tiles() * grid.values() * Double.BYTES
                + batchTokens * strips * Float.BYTES
                + 2 * SectionWriter.BUFFER_BYTES;
    }

    /**
     * The side of the blocks that matrices are cut into, in tiles: as large as the memory allows, for then less is read, but
     * so that there are {@code wanted} blocks about, unless they became small.
     *
     * @param products of the upper halves, and wholes, of all matrices together, for each token
     */
    public static int side(int tileSize, long memory, int batchTokens, long products, int wanted) {
        long spread = (long) Math.sqrt((double) products / wanted) / tileSize;
        long least = LEAST_COLUMNS / tileSize;
        int side = (int) Math.max(1, Math.max(spread, least));
        while (side > 1 && !fits(side, tileSize, memory, batchTokens)) {
            side--;
        }
        return side;
    }

    private static boolean fits(int side, int tileSize, long memory, int batchTokens) {
        TileGrid grid = new TileGrid(Math.multiplyExact(side, tileSize), tileSize, TileGrid.Kept.ALL);
        return new TileBlock(grid, 0, side, 0, side).memory(batchTokens) <= memory
                && (side + 1L) * tileSize * batchTokens <= Integer.MAX_VALUE;
    }

    /** Cuts a matrix into blocks of about the same size, none larger than {@code side} tiles. */
    public static List<TileBlock> cut(TileGrid grid, int side) {
        int count = (grid.side() + side - 1) / side;
        List<TileBlock> blocks = new ArrayList<>();
        for (int row = 0; row < count; row++) {
            for (int column = grid.kept() == TileGrid.Kept.ALL ? 0 : row; column < count; column++) {
                blocks.add(new TileBlock(
                        grid,
                        begin(grid, row, count),
                        begin(grid, row + 1, count),
                        begin(grid, column, count),
                        begin(grid, column + 1, count)));
            }
        }
        return blocks;
    }

    private static int begin(TileGrid grid, int block, int count) {
        return (int) ((long) grid.side() * block / count);
    }

    /**
     * Sums and writes the tiles.
     *
     * @param shards what layers read of them, in the order in which they are added
     * @param into a matrix of this grid
     */
    public void sum(LinearInput input, List<InputFile> shards, HessianTiles into) throws IOException {
        double[][] total = new double[tiles()][grid.values()];
        double[][] part = new double[total.length][grid.values()];
        float[] x = new float[0];
        int stride = (endJ - j + 1) * grid.tileSize();
        for (InputFile shard : shards) {
            try (InputFile.Reader reader = shard.open()) {
                for (int batch = 0; batch < reader.batches().size(); batch++) {
                    int tokens = reader.batches().get(batch).kept().length;
                    if (tokens > 0) {
                        if (x.length < tokens * stride) {
                            x = new float[Math.multiplyExact(tokens, stride)];
                        }
                        add(input, reader, batch, tokens, x, part);
                    }
                }
            }
            for (int tile = 0; tile < total.length; tile++) {
                move(part[tile], total[tile]);
            }
        }
        int tile = 0;
        for (int row = i; row < endI; row++) {
            for (int column = first(row); column < endJ; column++) {
                if (isDiagonal(row, column)) {
                    Gram.mirror(total[tile], grid.rows(row), grid.tileSize());
                }
                into.write(row, column, total[tile++]);
            }
        }
    }

    private boolean isDiagonal(int row, int column) {
        return !isDelta() && row == column;
    }

    /** Adds the shard's sums to those of the shards before it, and begins anew. */
    private static void move(double[] part, double[] total) {
        for (int k = 0; k < total.length; k++) {
            total[k] += part[k];
            part[k] = 0;
        }
    }

    /** Adds a batch: its columns from one strip on, the rows, strip by strip, before them unless they are the same. */
    private void add(LinearInput input, InputFile.Reader reader, int batch, int tokens, float[] x, double[][] part)
            throws IOException {
        int size = grid.tileSize();
        int stride = (endJ - j + 1) * size;
        for (int column = j; column < endJ; column++) {
            reader.read(batch, input, false, column, x, (column - j + 1) * size, stride);
        }
        int tile = 0;
        for (int row = i; row < endI; row++) {
            int rowAt = (row - j + 1) * size;
            if (!isOnDiagonal()) {
                rowAt = 0;
                reader.read(batch, input, isDelta(), row, x, 0, stride);
            }
            for (int column = first(row); column < endJ; column++) {
                int columnAt = (column - j + 1) * size;
                if (isDiagonal(row, column)) {
                    Gram.addUpper(x, 0, tokens, stride, columnAt, grid.rows(row), part[tile], size);
                } else {
                    Gram.add(
                            x, 0, tokens, stride, rowAt, grid.rows(row), columnAt, grid.rows(column), part[tile], size);
                }
                tile++;
            }
        }
    }
}
