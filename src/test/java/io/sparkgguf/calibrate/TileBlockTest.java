package io.sparkgguf.calibrate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.Gram;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Hessians and Δ, summed block by block from the files of inputs, beside the scalar definition of the sum, bit by bit. */
class TileBlockTest {
    private static final long SEED = 3;
    private static final int COLUMNS = 150;
    private static final LinearInput INPUT = LinearInput.FEED_FORWARD;
    private static final LinearInput OTHER = LinearInput.ATTENTION_OUTPUT;
    /** Some sequences are longer than a chunk of a sum, one longer than a batch. */
    private static final int[] ENDS = {40, 100, 730, 731, 1500, 1560};

    private static final int SHARD_TOKENS = 800;
    private static final int BATCH_TOKENS = 700;

    private final MemoryStorage storage = new MemoryStorage();
    private final BitSet masked = new BitSet();
    private final float[] x = new float[ENDS[ENDS.length - 1] * COLUMNS];
    private final float[] y = new float[x.length];

    TileBlockTest() {
        Random random = new Random(SEED);
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
            y[i] = x[i] + 0.5f * (float) random.nextGaussian();
        }
        masked.set(39);
        masked.set(99);
        masked.set(730); // all of a sequence
        masked.set(1500, 1560); // all of the last shard
    }

    private List<Shard> shards() {
        return Shard.cut(ENDS, masked, false, SHARD_TOKENS, 0);
    }

    /** Element by element: chunks in float32, their sum of a shard in float64, and the sum of these, each in order. */
    private double[] defined(boolean delta) {
        double[] total = new double[COLUMNS * COLUMNS];
        int first = 0;
        for (Shard shard : shards()) {
            double[] part = new double[total.length];
            for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                int[] kept = batch.kept();
                for (int from = 0; from < kept.length; from += Gram.CHUNK) {
                    for (int element = 0; element < total.length; element++) {
                        float chunk = 0;
                        for (int k = from; k < Math.min(kept.length, from + Gram.CHUNK); k++) {
                            int row = (first + batch.firstToken() + kept[k]) * COLUMNS;
                            float seen = x[row + element / COLUMNS];
                            float left = delta ? y[row + element / COLUMNS] - seen : seen;
                            chunk = Math.fma(left, x[row + element % COLUMNS], chunk);
                        }
                        part[element] += chunk;
                    }
                }
            }
            for (int element = 0; element < total.length; element++) {
                total[element] += part[element];
            }
            first += shard.tokens();
        }
        return total;
    }

    private InputFile file(Shard shard, Map<LinearInput, TileGrid> grids, boolean paired) {
        return new InputFile(storage, "inputs-" + shard.id(), shard, BATCH_TOKENS, grids, paired);
    }

    /** Shows each shard to a file of its own. */
    private List<InputFile> write(Map<LinearInput, TileGrid> grids, boolean paired) throws IOException {
        List<InputFile> files = new ArrayList<>();
        int first = 0;
        for (Shard shard : shards()) {
            int begin = first;
            InputFile file = file(shard, grids, paired);
            file.write(writer -> {
                for (Shard.Batch batch : shard.batches(BATCH_TOKENS)) {
                    float[] inputs = new float[batch.tokens() * COLUMNS];
                    float[] originals = new float[inputs.length];
                    int from = (begin + batch.firstToken()) * COLUMNS;
                    System.arraycopy(y, from, originals, 0, inputs.length);
                    writer.originals().input(0, OTHER, originals, batch.tokens(), COLUMNS);
                    writer.originals().input(0, INPUT, originals, batch.tokens(), COLUMNS);
                    Arrays.fill(originals, Float.NaN); // it was to be looked at during the call only
                    writer.begin(batch);
                    System.arraycopy(x, from, inputs, 0, inputs.length);
                    writer.input(0, LinearInput.ATTENTION, inputs, batch.tokens(), COLUMNS); // not wanted
                    writer.input(0, OTHER, inputs, batch.tokens(), COLUMNS);
                    writer.input(0, INPUT, inputs, batch.tokens(), COLUMNS);
                    Arrays.fill(inputs, Float.NaN);
                }
            });
            assertEquals(
                    InputFile.length(shard, BATCH_TOKENS, grids, paired),
                    storage.open(file.file()).length());
            files.add(file);
            first += shard.tokens();
        }
        return files;
    }

    private static Map<LinearInput, TileGrid> grids(int tileSize) {
        Map<LinearInput, TileGrid> grids = new EnumMap<>(LinearInput.class);
        grids.put(INPUT, new TileGrid(COLUMNS, tileSize, TileGrid.Kept.UPPER));
        grids.put(OTHER, new TileGrid(COLUMNS, 64, TileGrid.Kept.UPPER));
        return grids;
    }

    private double[] sum(TileGrid grid, List<InputFile> files, int side) throws IOException {
        HessianTiles tiles = new HessianTiles(storage, "tiles-" + grid + "-" + side, grid);
        List<TileBlock> blocks = new ArrayList<>(TileBlock.cut(grid, side));
        Collections.shuffle(blocks, new Random(SEED)); // in whatever order tasks run
        for (TileBlock block : blocks) {
            block.sum(INPUT, files, tiles);
        }
        assertEquals(grid.count(), blocks.stream().mapToInt(TileBlock::tiles).sum());
        double[] whole = new double[COLUMNS * COLUMNS];
        double[] tile = new double[grid.values()];
        for (int i = 0; i < grid.side(); i++) {
            for (int j = grid.begin(i); j < grid.end(i); j++) {
                tiles.read(i, j, tile);
                for (int element = 0; element < tile.length; element++) {
                    int row = i * grid.tileSize() + element / grid.tileSize();
                    int column = j * grid.tileSize() + element % grid.tileSize();
                    if (row >= COLUMNS || column >= COLUMNS) {
                        assertEquals(0, tile[element], "padding");
                        continue;
                    }
                    whole[row * COLUMNS + column] = tile[element];
                    if (grid.kept() == TileGrid.Kept.UPPER) {
                        whole[column * COLUMNS + row] = tile[element];
                    }
                }
            }
        }
        return whole;
    }

    @ParameterizedTest
    @CsvSource({"16, 1", "16, 3", "16, 10", "64, 1", "64, 2", "64, 3", "192, 1"})
    void sumsAreThoseOfTheDefinitionWhateverTheBlocks(int tileSize, int side) throws IOException {
        Map<LinearInput, TileGrid> grids = grids(tileSize);
        String seed = "seed " + SEED;
        double[] hessian = defined(false);
        assertArrayEquals(hessian, sum(grids.get(INPUT), write(grids, false), side), 0, seed);
        List<InputFile> paired = write(grids, true);
        assertArrayEquals(hessian, sum(grids.get(INPUT), paired, side), 0, seed);
        assertArrayEquals(defined(true), sum(grids.get(INPUT).all(), paired, side), 0, seed);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theSquaresAloneAreTheDiagonalOfTheWhole(boolean paired) throws IOException {
        Map<LinearInput, TileGrid> grids = grids(64);
        grids.put(INPUT, TileGrid.ofDiagonal(COLUMNS));
        double[] squares = new double[COLUMNS];
        for (InputFile file : write(grids, paired)) {
            try (InputFile.Reader reader = file.open()) {
                double[] part = reader.squares(INPUT);
                for (int i = 0; i < COLUMNS; i++) {
                    squares[i] += part[i];
                }
            }
        }
        double[] whole = defined(false);
        for (int i = 0; i < COLUMNS; i++) {
            assertEquals(whole[i * COLUMNS + i], squares[i], "column " + i + ", seed " + SEED);
        }
    }

    /** Each tile is in one block, and each block within the side. */
    @ParameterizedTest
    @CsvSource({"150, 16, 3", "2048, 512, 4", "53248, 512, 10", "53248, 512, 1"})
    void blocksCoverAMatrixOnce(int columns, int tileSize, int side) {
        TileGrid upper = new TileGrid(columns, tileSize, TileGrid.Kept.UPPER);
        for (TileGrid grid : List.of(upper, upper.all())) {
            BitSet seen = new BitSet();
            long products = 0;
            for (TileBlock block : TileBlock.cut(grid, side)) {
                assertTrue(block.endI() - block.i() <= side && block.endJ() - block.j() <= side, block.toString());
                for (int i = block.i(); i < block.endI(); i++) {
                    for (int j = Math.max(block.j(), grid.begin(i)); j < block.endJ(); j++) {
                        assertTrue(!seen.get(grid.index(i, j)), block.toString());
                        seen.set(grid.index(i, j));
                    }
                }
                products += block.products();
            }
            assertEquals(grid.count(), seen.cardinality());
            boolean all = grid.kept() == TileGrid.Kept.ALL;
            assertEquals(all ? (long) columns * columns : columns * (columns + 1L) / 2, products);
        }
    }

    @Test
    void blocksAreAsLargeAsMemoryAllowsAndTasksAreWanted() {
        long products = 53_248L * 53_248 * 3 / 2;
        int side = TileBlock.side(512, 512L << 20, 2048, products, 64);
        assertEquals(10, side, "what memory allows");
        TileGrid grid = TileGrid.of(53_248, 512);
        for (TileBlock block : TileBlock.cut(grid.all(), side)) {
            assertTrue(block.memory(2048) <= 512L << 20, block.toString());
        }
        assertEquals(14, TileBlock.side(512, 1L << 40, 2048, 64L * 14 * 14 * 512 * 512, 64), "what tasks are wanted");
        assertEquals(8, TileBlock.side(512, 1L << 40, 2048, 4096L * 4096, 64), "small ones are not cut smaller");
        assertEquals(1, TileBlock.side(512, 0, 2048, products, 64), "one tile at least");
        int tokens = 1 << 20;
        int side20 = TileBlock.side(512, 1L << 45, tokens, products, 1);
        assertTrue((side20 + 1L) * 512 * tokens <= Integer.MAX_VALUE, "one array holds a batch of the strips");
    }

    @Test
    void refusesWhatIsNotTheShardsOrWasDamaged() throws IOException {
        Map<LinearInput, TileGrid> grids = grids(64);
        List<InputFile> files = write(grids, true);
        InputFile first = files.get(0);
        InputFile wrong = new InputFile(storage, first.file(), shards().get(1), BATCH_TOKENS, grids, true);
        assertEquals(
                "Cannot use inputs-0: it does not hold the inputs of shard 1",
                assertThrows(InvalidInputException.class, wrong::open).getMessage());
        assertThrows(
                InvalidInputException.class,
                () -> file(first.shard(), grids, false).open());
        byte[] bytes = new byte[Math.toIntExact(storage.open(first.file()).length())];
        storage.open(first.file()).readFully(0, bytes, 0, bytes.length);
        bytes[bytes.length - 100] ^= 1; // in the last strip of y - x
        storage.put(first.file(), bytes);
        HessianTiles into = new HessianTiles(storage, "tiles", grids.get(INPUT).all());
        TileBlock whole = TileBlock.cut(grids.get(INPUT).all(), 3).get(0);
        String damaged = assertThrows(InvalidInputException.class, () -> whole.sum(INPUT, files, into))
                .getMessage();
        assertTrue(damaged.startsWith("Cannot use inputs-0: its bytes "), damaged);
        InputFile.Pass swapped = writer -> {
            Shard.Batch batch = shards().get(0).batches(BATCH_TOKENS).get(0);
            float[] inputs = new float[batch.tokens() * COLUMNS];
            writer.begin(batch);
            writer.input(0, INPUT, inputs, batch.tokens(), COLUMNS);
            writer.input(0, OTHER, inputs, batch.tokens(), COLUMNS);
        };
        assertEquals(
                "Cannot keep the inputs of ATTENTION_OUTPUT behind those of FEED_FORWARD",
                assertThrows(
                                IllegalStateException.class,
                                () -> file(first.shard(), grids, false).write(swapped))
                        .getMessage());
    }
}
