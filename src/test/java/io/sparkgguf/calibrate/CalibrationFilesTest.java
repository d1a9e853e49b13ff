package io.sparkgguf.calibrate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Shards, hidden states and panels: what was written comes back, and what was changed is refused. */
class CalibrationFilesTest {
    private static final long SEED = 11;
    private static final int WIDTH = 20;

    @TempDir
    private Path folder;

    private final LocalStorage storage = new LocalStorage();
    private final Random random = new Random(SEED);

    private static Shard shard(int... lengths) {
        int[] ends = lengths.clone();
        Arrays.parallelPrefix(ends, Integer::sum);
        return Shard.cut(ends, new BitSet(), false, Integer.MAX_VALUE, 5).get(0);
    }

    @Test
    void cutsWholeSequences() {
        BitSet masked = new BitSet();
        masked.set(9);
        masked.set(10);
        List<Shard> shards = Shard.cut(new int[] {4, 10, 12, 40}, masked, true, 10, 3);
        assertEquals(3, shards.size());
        assertArrayEquals(new int[] {4, 6}, shards.get(0).lengths());
        assertArrayEquals(new int[] {2}, shards.get(1).lengths());
        assertArrayEquals(new int[] {28}, shards.get(2).lengths()); // longer than asked for, but one sequence
        assertEquals(List.of(3, 4, 5), shards.stream().map(Shard::id).toList());
        assertEquals(List.of(9, 1, 28), shards.stream().map(Shard::counted).toList());
        assertTrue(shards.get(2).heldOut());
    }

    @Test
    void batchesKeepSequencesWhole() {
        List<Shard.Batch> batches = shard(3, 3, 10, 2).batches(6);
        assertEquals(
                List.of(6, 10, 2), batches.stream().map(Shard.Batch::tokens).toList());
        assertEquals(
                List.of(0, 6, 16), batches.stream().map(Shard.Batch::firstToken).toList());
        assertArrayEquals(new int[] {3, 6}, batches.get(0).ends());
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5}, batches.get(0).kept());
    }

    private float[] randoms(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat();
        }
        return values;
    }

    @Test
    void hiddenStatesComeBackInOtherBatches() throws IOException {
        Shard shard = shard(3, 5, 2);
        HiddenStates hidden = new HiddenStates(storage, folder.resolve("hidden").toString(), shard, 2, WIDTH);
        float[] states = randoms(10 * WIDTH);
        hidden.write(shard.batches(3), batch -> Arrays.copyOfRange(states, batch.firstToken() * WIDTH, states.length));
        try (HiddenStates.Reader reader = hidden.open()) {
            for (Shard.Batch batch : shard.batches(8)) {
                float[] read = new float[batch.tokens() * WIDTH];
                reader.read(batch, read);
                int first = batch.firstToken() * WIDTH;
                assertArrayEquals(Arrays.copyOfRange(states, first, first + read.length), read, "seed " + SEED);
            }
        }
        assertEquals(List.of("hidden"), List.of(folder.toFile().list()));
        assertEquals(Files.size(folder.resolve("hidden")), HiddenStates.length(shard, WIDTH));
    }

    @Test
    void refusesHiddenStatesThatWereChanged() throws IOException {
        Shard shard = shard(3, 5);
        Path file = folder.resolve("hidden");
        HiddenStates hidden = new HiddenStates(storage, file.toString(), shard, 0, WIDTH);
        float[] states = randoms(8 * WIDTH);
        hidden.write(shard.batches(100), batch -> states);
        byte[] bytes = Files.readAllBytes(file);
        int second = 4 * 4 + 8 + 3 * WIDTH * 4 + 8;
        bytes[second + 77] ^= 1;
        Files.write(file, bytes);
        try (HiddenStates.Reader reader = hidden.open()) {
            List<Shard.Batch> batches = shard.batches(3);
            reader.read(batches.get(0), new float[3 * WIDTH]);
            InvalidInputException refusal =
                    assertThrows(InvalidInputException.class, () -> reader.read(batches.get(1), new float[5 * WIDTH]));
            String start = "Cannot use " + file + ": its bytes " + second + " to " + (second + 5 * WIDTH * 4)
                    + " have the digest ";
            assertTrue(refusal.getMessage().startsWith(start), refusal.getMessage());
        }
    }

    @Test
    void refusesHiddenStatesOfAnotherBlock() throws IOException {
        Shard shard = shard(3);
        Path file = folder.resolve("hidden");
        float[] states = randoms(3 * WIDTH);
        new HiddenStates(storage, file.toString(), shard, 1, WIDTH).write(shard.batches(9), batch -> states);
        InvalidInputException refusal = assertThrows(
                InvalidInputException.class, () -> new HiddenStates(storage, file.toString(), shard, 2, WIDTH).open());
        assertEquals(
                "Cannot use " + file + ": it does not hold the hidden states of shard 5 before block 2, 20 wide",
                refusal.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"300, 64, true", "300, 64, false", "300, 512, true", "128, 100, false", "129, 48, true", "5, 16, false"
    })
    void panelsAreTheRowsOfTheTiles(int order, int tileSize, boolean upper) throws IOException {
        double[] matrix = new double[order * order];
        for (int i = 0; i < order; i++) {
            for (int j = i; j < order; j++) {
                double value = random.nextGaussian();
                matrix[i * order + j] = value;
                matrix[j * order + i] = upper && j > i ? 0 : value;
            }
        }
        PanelFile file = new PanelFile(storage, folder.resolve("panels").toString(), order, upper);
        file.write(tiles(matrix, order, tileSize));
        assertEquals(Files.size(Path.of(file.file())), PanelFile.length(order, upper));
        requireRows(matrix, file);
        int rows = PanelFile.partRows(tileSize);
        assertTrue(rows % tileSize == 0 && rows % PanelFile.PANEL_ROWS == 0, () -> rows + " for tiles of " + tileSize);
        PanelFile spread = new PanelFile(storage, folder.resolve("spread").toString(), order, upper, rows);
        spread.write(tiles(matrix, order, tileSize));
        assertEquals((order + rows - 1) / rows, spread.parts());
        requireRows(matrix, spread);
    }

    private void requireRows(double[] matrix, PanelFile file) throws IOException {
        int order = file.order();
        boolean upper = file.upper();
        try (PanelFile.Reader reader = file.open()) {
            for (int rows : new int[] {1, 7, 128, order}) {
                for (int first = 0; first + rows <= order; first += Math.max(rows, 31)) {
                    float[] read = new float[rows * order];
                    reader.read(first, rows, read);
                    for (int r = 0; r < rows; r++) {
                        for (int c = upper ? first + r : 0; c < order; c++) {
                            assertEquals(
                                    (float) matrix[(first + r) * order + c],
                                    read[r * order + c],
                                    "row " + (first + r) + ", column " + c + ", seed " + SEED);
                        }
                    }
                }
            }
        }
    }

    @Test
    void filesOfRowsThatCutPanelsOrTilesAreRefused() {
        String name = folder.resolve("panels").toString();
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> new PanelFile(storage, name, 300, true, 100));
        assertEquals("Cannot cut " + name + " into files of 100 rows", error.getMessage());
        PanelFile file = new PanelFile(storage, name, 300, true, 128);
        error = assertThrows(IllegalArgumentException.class, () -> file.write(new MemoryTiles(300, 96)));
        assertEquals("Cannot write rows 0 to 128 of " + name + " from tiles of 96", error.getMessage());
    }

    /** Beside the definition, element by element, with the ridge on top. */
    @ParameterizedTest
    @CsvSource({"300, 64, 0", "300, 64, 40000", "128, 128, 1000000", "5, 16, 0", "200, 48, 10000"})
    void tilesAreBroughtIntoOrderByWayOfRows(int order, int tileSize, long memory) throws IOException {
        double[] matrix = new double[order * order];
        for (int i = 0; i < order; i++) {
            for (int j = i; j < order; j++) {
                matrix[i * order + j] = random.nextGaussian();
                matrix[j * order + i] = matrix[i * order + j];
            }
        }
        List<Integer> shuffled = new ArrayList<>();
        for (int i = 0; i < order; i++) {
            shuffled.add(i);
        }
        Collections.shuffle(shuffled, random);
        int[] permutation = shuffled.stream().mapToInt(Integer::intValue).toArray();
        TileGrid grid = new TileGrid(order, tileSize, TileGrid.Kept.UPPER);
        for (String name : List.of("tiles", "rows", "ordered")) {
            storage.createFolder(folder.resolve(name).toString());
        }
        HessianTiles tiles = new HessianTiles(storage, folder.resolve("tiles").toString(), grid);
        MemoryTiles source = tiles(matrix, order, tileSize);
        double[] tile = new double[grid.values()];
        for (int i = 0; i < grid.side(); i++) {
            for (int j = i; j < grid.side(); j++) {
                source.read(i, j, tile);
                for (int at = 0; i == j && at < tile.length; at++) {
                    tile[at] = at / tileSize > at % tileSize ? Double.NaN : tile[at]; // what is below is not read
                }
                tiles.write(i, j, tile);
            }
        }
        Path between = folder.resolve("rows");
        OrderedRows rows = new OrderedRows(storage, between.toString(), grid, permutation);
        HessianTiles ordered =
                new HessianTiles(storage, folder.resolve("ordered").toString(), grid);
        for (int i = 0; i < grid.side(); i++) {
            rows.write(tiles, i, memory);
        }
        long bytes = 0;
        for (String file : between.toFile().list()) {
            bytes += Files.size(between.resolve(file));
        }
        assertEquals(OrderedRows.stored(grid), bytes);
        for (int i = grid.side() - 1; i >= 0; i--) {
            rows.gather(i, ordered);
        }
        double[] ridge = random.doubles(order).toArray();
        RidgedTiles ridged = new RidgedTiles(ordered, ridge);
        for (int i = 0; i < grid.side(); i++) {
            for (int j = i; j < grid.side(); j++) {
                ridged.read(i, j, tile);
                for (int at = 0; at < tile.length; at++) {
                    int row = i * tileSize + at / tileSize;
                    int column = j * tileSize + at % tileSize;
                    double expected = row < order && column < order
                            ? matrix[permutation[row] * order + permutation[column]] + (row == column ? ridge[row] : 0)
                            : 0;
                    assertEquals(expected, tile[at], "row " + row + ", column " + column + ", seed " + SEED);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"300, 64", "300, 512", "129, 48"})
    void panelsOfAnyMatrixAreItsRows(int order, int tileSize) throws IOException {
        double[] matrix = random.doubles((long) order * order).toArray();
        TileGrid grid = new TileGrid(order, tileSize, TileGrid.Kept.ALL);
        Path place = folder.resolve("tiles");
        storage.createFolder(place.toString());
        HessianTiles tiles = new HessianTiles(storage, place.toString(), grid);
        double[] tile = new double[grid.values()];
        for (int i = 0; i < grid.side(); i++) {
            for (int j = 0; j < grid.side(); j++) {
                for (int r = 0; r < grid.rows(i); r++) {
                    System.arraycopy(
                            matrix, (i * tileSize + r) * order + j * tileSize, tile, r * tileSize, grid.rows(j));
                }
                tiles.write(i, j, tile);
            }
        }
        PanelFile file = new PanelFile(storage, folder.resolve("panels").toString(), order, false);
        file.writeAll(tiles);
        float[] read = new float[order * order];
        try (PanelFile.Reader reader = file.open()) {
            reader.read(0, order, read);
        }
        for (int i = 0; i < read.length; i++) {
            assertEquals((float) matrix[i], read[i], "element " + i + ", seed " + SEED);
        }
        HessianTiles upper = new HessianTiles(storage, place.toString(), TileGrid.of(order, tileSize));
        assertThrows(IllegalArgumentException.class, () -> file.writeAll(upper));
    }

    private static MemoryTiles tiles(double[] matrix, int order, int size) {
        MemoryTiles tiles = new MemoryTiles(order, size);
        int side = (order + size - 1) / size;
        for (int i = 0; i < side; i++) {
            for (int j = i; j < side; j++) {
                double[] tile = new double[size * size];
                for (int r = 0; r < size && i * size + r < order; r++) {
                    for (int c = 0; c < size && j * size + c < order; c++) {
                        tile[r * size + c] = matrix[(i * size + r) * order + j * size + c];
                    }
                }
                tiles.write(i, j, tile);
            }
        }
        return tiles;
    }
}
