package io.sparkgguf.calibrate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.MemoryStorage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Hessians of shards: their sums against a naive one, in memory and through a file, in tiles of any size. */
class HessianPartTest {
    private static final long SEED = 3;
    private static final int COLUMNS = 150;
    private static final int[] ENDS = {40, 100, 130, 131, 200};

    private final MemoryStorage storage = new MemoryStorage();
    private final BitSet masked = new BitSet();
    private final float[] x = new float[ENDS[ENDS.length - 1] * COLUMNS];
    private final float[] y = new float[x.length];

    HessianPartTest() {
        Random random = new Random(SEED);
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
            y[i] = x[i] + 0.5f * (float) random.nextGaussian();
        }
        masked.set(39);
        masked.set(99);
        masked.set(130);
    }

    private List<Shard> shards(int maxTokens) {
        return Shard.cut(ENDS, masked, false, maxTokens, 0);
    }

    private double[] naive() {
        double[] sum = new double[COLUMNS * COLUMNS];
        for (int token = 0; token < ENDS[ENDS.length - 1]; token++) {
            for (int i = 0; i < COLUMNS && !masked.get(token); i++) {
                for (int j = 0; j < COLUMNS; j++) {
                    sum[i * COLUMNS + j] += (double) x[token * COLUMNS + i] * x[token * COLUMNS + j];
                }
            }
        }
        return sum;
    }

    private double[] naiveDelta() {
        double[] sum = new double[COLUMNS * COLUMNS];
        for (int token = 0; token < ENDS[ENDS.length - 1]; token++) {
            for (int i = 0; i < COLUMNS && !masked.get(token); i++) {
                double difference = (double) y[token * COLUMNS + i] - x[token * COLUMNS + i];
                for (int j = 0; j < COLUMNS; j++) {
                    sum[i * COLUMNS + j] += difference * x[token * COLUMNS + j];
                }
            }
        }
        return sum;
    }

    /** Runs all shards and adds them up. */
    private HessianTiles run(TileGrid grid, long memory, int shardTokens, int batchTokens) throws IOException {
        return run(grid, memory, shardTokens, batchTokens, false);
    }

    /** The Hessian, or, if {@code paired}, Δ. */
    private HessianTiles run(TileGrid grid, long memory, int shardTokens, int batchTokens, boolean paired)
            throws IOException {
        LinearInput input = LinearInput.FEED_FORWARD;
        List<String> parts = new ArrayList<>();
        int first = 0;
        for (Shard shard : shards(shardTokens)) {
            try (HessianPart part = new HessianPart(new EnumMap<>(Map.of(input, grid)), memory, shard, paired)) {
                for (Shard.Batch batch : shard.batches(batchTokens)) {
                    float[] inputs = new float[batch.tokens() * COLUMNS];
                    System.arraycopy(x, (first + batch.firstToken()) * COLUMNS, inputs, 0, inputs.length);
                    float[] originals = new float[inputs.length];
                    System.arraycopy(y, (first + batch.firstToken()) * COLUMNS, originals, 0, inputs.length);
                    part.originals().input(0, input, originals, batch.tokens(), COLUMNS);
                    Arrays.fill(originals, Float.NaN); // it was to be looked at during the call only
                    part.begin(batch);
                    part.input(0, LinearInput.ATTENTION, inputs, batch.tokens(), COLUMNS); // not wanted
                    part.input(0, input, inputs, batch.tokens(), COLUMNS);
                }
                assertEquals(paired && grid.kept() == TileGrid.Kept.UPPER, part.isPaired(input));
                if (paired) {
                    part.writeDelta(input, storage, "part-" + shard.id());
                } else {
                    part.write(input, storage, "part-" + shard.id());
                }
                parts.add("part-" + shard.id());
            }
            first += shard.tokens();
        }
        TileGrid summed = paired ? grid.all() : grid;
        HessianTiles tiles = new HessianTiles(storage, "tiles-" + grid.tileSize(), summed);
        for (int i = 0; i < summed.side(); i++) {
            for (int j = summed.begin(i); j < summed.end(i); j++) {
                tiles.sum(i, j, parts);
            }
        }
        return tiles;
    }

    private static double[] whole(HessianTiles tiles) throws IOException {
        TileGrid grid = tiles.grid();
        double[] whole = new double[COLUMNS * COLUMNS];
        double[] tile = new double[grid.values()];
        for (int i = 0; i < grid.side(); i++) {
            for (int j = grid.begin(i); j < grid.end(i); j++) {
                tiles.read(i, j, tile);
                for (int r = 0; r < grid.rows(i); r++) {
                    for (int c = 0; c < grid.rows(j); c++) {
                        int row = i * grid.tileSize() + r;
                        int column = j * grid.tileSize() + c;
                        if (grid.kept() == TileGrid.Kept.ALL) {
                            whole[row * COLUMNS + column] = tile[r * grid.tileSize() + c];
                        } else if (row <= column) {
                            whole[row * COLUMNS + column] = tile[r * grid.tileSize() + c];
                            whole[column * COLUMNS + row] = tile[r * grid.tileSize() + c];
                        }
                    }
                }
            }
        }
        return whole;
    }

    @ParameterizedTest
    @CsvSource({"16, 0", "16, 1000000", "64, 0", "64, 1000000", "192, 0", "192, 1000000"})
    void sumsWhatIsNotMasked(int tileSize, long memory) throws IOException {
        double[] sum = whole(run(new TileGrid(COLUMNS, tileSize, TileGrid.Kept.UPPER), memory, 100, 70));
        assertArrayEquals(naive(), sum, 200 * 1e-5, "seed " + SEED);
    }

    /** A Hessian of many tiles, one of which is in memory at a time, has the bits of one that is in memory as a whole. */
    @Test
    void doesNotDependOnTilesOrMemory() throws IOException {
        double[] expected = whole(run(new TileGrid(COLUMNS, 192, TileGrid.Kept.UPPER), 1 << 30, 100, 70));
        for (int tileSize : new int[] {16, 32, 64}) {
            for (long memory : new long[] {0, 1 << 30}) {
                assertArrayEquals(
                        expected,
                        whole(run(new TileGrid(COLUMNS, tileSize, TileGrid.Kept.UPPER), memory, 100, 70)),
                        0,
                        "tiles of " + tileSize + ", memory " + memory + ", seed " + SEED);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"16, 0", "16, 1000000", "64, 0", "64, 1000000", "192, 0", "192, 1000000"})
    void sumsHowOriginalInputsDiffer(int tileSize, long memory) throws IOException {
        TileGrid grid = new TileGrid(COLUMNS, tileSize, TileGrid.Kept.UPPER);
        double[] sum = whole(run(grid, memory, 100, 70, true));
        assertArrayEquals(naiveDelta(), sum, 200 * 1e-5, "seed " + SEED);
        double[] other = whole(run(new TileGrid(COLUMNS, 192, TileGrid.Kept.UPPER), 1 << 30, 100, 70, true));
        assertArrayEquals(other, sum, 0, "tiles of " + tileSize + ", memory " + memory + ", seed " + SEED);
    }

    @Test
    void theDiagonalAloneIsThatOfTheWhole() throws IOException {
        HessianTiles all = run(new TileGrid(COLUMNS, 192, TileGrid.Kept.UPPER), 1 << 30, 100, 70);
        HessianTiles diagonal = run(TileGrid.ofDiagonal(COLUMNS), 0, 100, 70);
        assertEquals(3, diagonal.grid().count());
        assertArrayEquals(all.diagonal(), diagonal.diagonal(), 0, "seed " + SEED);
    }

    @Test
    void keepsTheSmallestInMemory() {
        Map<LinearInput, TileGrid> grids = new EnumMap<>(LinearInput.class);
        grids.put(LinearInput.ATTENTION, TileGrid.of(256, 64));
        grids.put(LinearInput.FEED_FORWARD_DOWN, TileGrid.of(1024, 64));
        long small = grids.get(LinearInput.ATTENTION).memory();
        assertEquals(10L * 64 * 64 * 8, small);
        assertEquals(List.of(), HessianPart.inMemory(grids, small - 1));
        assertEquals(List.of(LinearInput.ATTENTION), HessianPart.inMemory(grids, small));
        assertEquals(2, HessianPart.inMemory(grids, 1 << 30).size());
        long delta =
                grids.values().stream().mapToLong(grid -> grid.all().memory()).sum();
        assertEquals(
                delta + 100L * (256 + 1024 + 2 * 1024) * Float.BYTES,
                HessianPart.memory(grids, 1 << 30, 100, true) - HessianPart.memory(grids, 1 << 30, 100, false));
        assertTrue(HessianPart.memory(grids, small, 100, false) < HessianPart.memory(grids, 1 << 30, 100, false));
    }
}
