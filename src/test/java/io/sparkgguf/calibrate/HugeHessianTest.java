package io.sparkgguf.calibrate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.HoleStorage;
import io.sparkgguf.model.forward.LinearInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
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
        float[] x = new float[TOKENS * COLUMNS];
        for (int token = 0; token < TOKENS; token++) {
            for (int column : SEEN) {
                x[token * COLUMNS + column] = value(token, column);
            }
        }
        HoleStorage storage = new HoleStorage();
        List<InputFile> shards = new ArrayList<>();
        for (int id = 0; id < 2; id++) { // alike
            Shard shard = new Shard(id, false, new int[] {TOKENS}, new long[0]);
            InputFile file = new InputFile(
                    storage,
                    folder.resolve("inputs-" + id).toString(),
                    shard,
                    TOKENS,
                    Map.of(LinearInput.FEED_FORWARD_DOWN, grid),
                    false);
            file.write(writer -> {
                writer.begin(shard.batches(TOKENS).get(0));
                writer.input(0, LinearInput.FEED_FORWARD_DOWN, x, TOKENS, COLUMNS);
            });
            shards.add(file);
        }
        assertTrue(grid.stored() > 8L * COLUMNS * COLUMNS / 2, "half a matrix of doubles");

        String tiles = folder.resolve("tiles").toString();
        storage.createFolder(tiles);
        HessianTiles sum = new HessianTiles(storage, tiles, grid);
        double[] tile = new double[grid.values()];
        List<TileBlock> blocks = TileBlock.cut(grid, 1);
        assertEquals(grid.count(), blocks.size());
        for (int row : SEEN) {
            for (int column : SEEN) {
                if (column < row) {
                    continue;
                }
                blocks.get(grid.index(row / 512, column / 512)).sum(LinearInput.FEED_FORWARD_DOWN, shards, sum);
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
