package io.sparkgguf.calibrate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.HoleStorage;
import io.sparkgguf.model.forward.LinearInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Hessian of the widest layer there is, Llama 3.1 405B's ffn_down: 22 GB that are never in one place. */
class HugeHessianTest {
    private static final int COLUMNS = 53_248;
    private static final int TOKENS = 3;
    /** The only columns that are not zero; 46,341 and beyond have elements that no array index reaches. */
    private static final int[] SEEN = {0, 511, 512, 46_341, 53_247};

    @TempDir
    Path folder;

    @Test
    void tilesFarBeyondAnArrayAreSummedAndReadBack() throws IOException {
        TileGrid grid = TileGrid.of(COLUMNS, 512);
        Shard shard = new Shard(0, false, new int[] {TOKENS}, new long[0]);
        float[] x = new float[TOKENS * COLUMNS];
        for (int token = 0; token < TOKENS; token++) {
            for (int column : SEEN) {
                x[token * COLUMNS + column] = value(token, column);
            }
        }
        HoleStorage storage = new HoleStorage();
        String file = folder.resolve("partial").toString();
        try (HessianPart part = new HessianPart(Map.of(LinearInput.FEED_FORWARD_DOWN, grid), 1 << 20, shard, false)) {
            part.begin(shard.batches(TOKENS).get(0));
            part.input(0, LinearInput.FEED_FORWARD_DOWN, x, TOKENS, COLUMNS);
            part.write(LinearInput.FEED_FORWARD_DOWN, storage, file);
        }
        assertEquals(grid.stored(), Files.size(Path.of(file)));
        assertTrue(grid.stored() > 8L * COLUMNS * COLUMNS / 2, "half a matrix of doubles");

        String tiles = folder.resolve("tiles").toString();
        storage.createFolder(tiles);
        HessianTiles sum = new HessianTiles(storage, tiles, grid);
        double[] tile = new double[grid.values()];
        for (int row : SEEN) {
            for (int column : SEEN) {
                if (column < row) {
                    continue;
                }
                sum.sum(row / 512, column / 512, List.of(file, file)); // two shards alike
                sum.read(row / 512, column / 512, tile);
                double expected = 0;
                for (int token = 0; token < TOKENS; token++) {
                    expected += 2 * value(token, row) * value(token, column);
                }
                assertEquals(expected, tile[row % 512 * 512 + column % 512], "element " + row + ", " + column);
            }
        }
    }

    /** Small whole numbers, so that sums are exact. */
    private static float value(int token, int column) {
        return (column % 7 + 1) * (token + 1);
    }
}
