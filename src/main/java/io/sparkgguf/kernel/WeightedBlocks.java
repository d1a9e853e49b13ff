package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Fits blocks of 32 weights by importance, x ≈ scale * level + minimum: what Q4_1 and Q5_1 do when they are given it.
 *
 * <p>A weight counts with q * sqrt(mean(x²) + x²), q its importance, the mean over its row. The search is that of {@link
 * AsymmetricSearch} over the grid of {@link AsymmetricGrid#weighted}; levels are those of the unrounded scale.
 *
 * <p>Keeps its scratch memory, so each thread needs its own.
 */
public final class WeightedBlocks {
    /** Weights of a block. */
    public static final int ELEMENTS = 32;

    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final int WIDTH = Lanes.WIDTH;
    private static final int TILES = 4;
    private static final int TILE = ELEMENTS * WIDTH;
    private static final int ROWS_AT_ONCE = 8;

    private final AsymmetricGrid grid;
    private final boolean vector;
    private final AsymmetricSearch scalar = new AsymmetricSearch();
    private final AsymmetricLanes search = new AsymmetricLanes(TILES);
    private final LevelLanes rounding = new LevelLanes(ELEMENTS);
    private final float[] x = new float[TILES * TILE];
    private final float[] w = new float[TILES * TILE];
    private final float[] energy = new float[TILES * WIDTH];
    private final float[] meanSquares = new float[ROWS_AT_ONCE];
    private final int[] quads = new int[TILES * TILE / 4];
    private final byte[] levels = new byte[ELEMENTS];

    /** Takes what was fitted for one block. */
    @FunctionalInterface
    public interface Sink {

        /**
         * @param block which block, counted from 0 over all rows
         * @param scale the step between two levels
         * @param minimum what level zero stands for: zero or less
         * @param levels 32 levels, one a byte, from 0; only until this call returns
         */
        void accept(int block, float scale, float minimum, byte[] levels);
    }

    /**
     * @param maxLevel the largest level: 15 or 31
     * @param vector whether to search in vectors or by the scalar definition, which gives the same bits
     */
    public WeightedBlocks(int maxLevel, boolean vector) {
        this.grid = AsymmetricGrid.weighted(ELEMENTS, maxLevel);
        this.vector = vector;
    }

    /**
     * Fits {@code rows} rows of {@code columns} weights, a multiple of 32, row after row from {@code weights[at]}.
     *
     * @param importance {@code columns} non-negative weights from {@code importanceAt}, the same for every row
     * @param sink takes each block, in order
     */
    public void fit(float[] weights, int at, int rows, int columns, float[] importance, int importanceAt, Sink sink) {
        for (int row = 0; row < rows; row += ROWS_AT_ONCE) {
            int n = Math.min(ROWS_AT_ONCE, rows - row);
            int from = at + row * columns;
            ImportanceWeights.squares(weights, from, n, columns, meanSquares);
            for (int r = 0; r < n; r++) {
                meanSquares[r] /= columns;
            }
            int blocksPerRow = columns / ELEMENTS;
            int firstBlock = row * blocksPerRow;
            if (vector) {
                fitLanes(weights, from, n * blocksPerRow, blocksPerRow, importance, importanceAt, firstBlock, sink);
            } else {
                fitScalar(weights, from, n * blocksPerRow, blocksPerRow, importance, importanceAt, firstBlock, sink);
            }
        }
    }

    private void fitScalar(
            float[] weights,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            int firstBlock,
            Sink sink) {
        for (int b = 0; b < blocks; b++) {
            int q = importanceAt + b % blocksPerRow * ELEMENTS;
            float meanSquare = meanSquares[b / blocksPerRow];
            for (int i = 0; i < ELEMENTS; i++) {
                x[i] = weights[at + b * ELEMENTS + i];
                w[i] = importance[q + i] * (float) Math.sqrt(meanSquare + x[i] * x[i]);
            }
            scalar.fit(x, w, 0, grid);
            scalar.levels(x, 0, grid, levels, 0);
            sink.accept(firstBlock + b, scalar.scale, -scalar.minimum, levels);
        }
    }

    private void fitLanes(
            float[] weights,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            int firstBlock,
            Sink sink) {
        for (int first = 0; first < blocks; first += TILES * WIDTH) {
            int n = Math.min(TILES * WIDTH, blocks - first);
            int tiles = (n + WIDTH - 1) / WIDTH;
            for (int k = 0; k < tiles * WIDTH; k++) {
                int b = first + Math.min(k, n - 1);
                int lane = k / WIDTH * TILE + k % WIDTH;
                LevelLanes.toLane(weights, at + b * ELEMENTS, ELEMENTS, x, lane);
                LevelLanes.toLane(importance, importanceAt + b % blocksPerRow * ELEMENTS, ELEMENTS, w, lane);
                energy[k] = meanSquares[b / blocksPerRow];
            }
            for (int t = 0; t < tiles; t++) {
                weigh(x, w, t * TILE, energy, t * WIDTH);
            }
            search.fit(x, w, tiles, grid);
            rounding.chosen(x, 0, tiles, grid.maxLevel(), search, quads);
            for (int k = 0; k < n; k++) {
                LevelLanes.fromLane(quads, k / WIDTH * TILE / 4 + k % WIDTH, ELEMENTS / 4, levels, 0);
                sink.accept(firstBlock + first + k, search.scale[k], -search.minimum[k], levels);
            }
        }
    }

    private static void weigh(float[] x, float[] w, int at, float[] energies, int r) {
        FloatVector energy = FloatVector.fromArray(FLOATS, energies, r);
        for (int i = at; i < at + TILE; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = energy.add(xi.mul(xi)).sqrt();
            FloatVector.fromArray(FLOATS, w, i).mul(weight).intoArray(w, i);
        }
    }
}
