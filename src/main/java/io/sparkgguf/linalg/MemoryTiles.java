package io.sparkgguf.linalg;

/** Tiles in memory, at first zeros. */
public final class MemoryTiles implements Tiles {
    private final int order;
    private final int tileSize;
    private final double[][] tiles;

    /** A matrix of zeros. */
    public MemoryTiles(int order, int tileSize) {
        if (order < 1 || tileSize < 1 || tileSize > 46340) {
            throw new IllegalArgumentException("Cannot hold tiles: order " + order + ", tile size " + tileSize
                    + "; want 1 or more, 46340 at most");
        }
        this.order = order;
        this.tileSize = tileSize;
        int count = count();
        tiles = new double[Math.toIntExact((long) count * (count + 1) / 2)][tileSize * tileSize];
    }

    /** The upper triangle of a row-major matrix of {@code order} rows and columns; diagonal tiles are mirrored. */
    public static MemoryTiles ofSymmetric(double[] matrix, int order, int tileSize) {
        MemoryTiles tiles = new MemoryTiles(order, tileSize);
        for (int i = 0; i < order; i++) {
            for (int j = 0; j < order; j++) {
                if (i / tileSize <= j / tileSize) {
                    tiles.tile(i / tileSize, j / tileSize)[i % tileSize * tileSize + j % tileSize] =
                            matrix[Math.min(i, j) * order + Math.max(i, j)];
                }
            }
        }
        return tiles;
    }

    @Override
    public int order() {
        return order;
    }

    @Override
    public int tileSize() {
        return tileSize;
    }

    /** An element whose tile is kept. */
    public double get(int row, int column) {
        return tile(row / tileSize, column / tileSize)[row % tileSize * tileSize + column % tileSize];
    }

    @Override
    public void read(int i, int j, double[] into) {
        System.arraycopy(tile(i, j), 0, into, 0, tileSize * tileSize);
    }

    @Override
    public void write(int i, int j, double[] from) {
        System.arraycopy(from, 0, tile(i, j), 0, tileSize * tileSize);
    }

    @Override
    public double[] look(int i, int j, double[] buffer) {
        return tile(i, j);
    }

    private double[] tile(int i, int j) {
        if (i < 0 || i > j || j >= count()) {
            throw new IndexOutOfBoundsException(
                    "tile (" + i + ", " + j + ") of the upper half of " + count() + " × " + count());
        }
        return tiles[j * (j + 1) / 2 + i];
    }
}
