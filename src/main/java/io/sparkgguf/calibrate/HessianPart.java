package io.sparkgguf.calibrate;

import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The share of one shard in the Hessians of a block: sums of x xᵀ over its tokens, for each input of linear layers. Sees
 * the inputs batch by batch and writes tiles in the end.
 *
 * <p>Tiles that fit the memory it is given are summed while batches come; inputs of more columns are kept in a file of this
 * machine until all batches are there, then taken tile by tile. Both add the same products in the same order, so what is
 * written does not depend on the memory.
 */
public final class HessianPart implements BlockObserver, Closeable {
    private final Map<LinearInput, TileSums> sums = new EnumMap<>(LinearInput.class);
    private Shard.Batch batch;
    private float[] packed = new float[0];

    /**
     * @param grids the inputs that are wanted, with the tiles of their Hessians
     * @param memory bytes that tiles may take together while batches come
     * @param shard whose inputs it will see
     */
    public HessianPart(Map<LinearInput, TileGrid> grids, long memory, Shard shard) throws IOException {
        for (LinearInput input : inMemory(grids, memory)) {
            sums.put(input, new TilesInMemory(grids.get(input)));
        }
        try {
            for (Map.Entry<LinearInput, TileGrid> grid : grids.entrySet()) {
                if (!sums.containsKey(grid.getKey())) {
                    sums.put(grid.getKey(), new TilesFromSpool(grid.getValue(), shard.counted()));
                }
            }
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** Inputs whose tiles stay in memory: the smallest first, as many as fit. */
    static List<LinearInput> inMemory(Map<LinearInput, TileGrid> grids, long memory) {
        List<LinearInput> smallestFirst = new ArrayList<>(grids.keySet());
        smallestFirst.sort(
                java.util.Comparator.comparingLong(input -> grids.get(input).memory()));
        List<LinearInput> fit = new ArrayList<>();
        long left = memory;
        for (LinearInput input : smallestFirst) {
            left -= grids.get(input).memory();
            if (left < 0) {
                break;
            }
            fit.add(input);
        }
        return fit;
    }

    /**
     * Bytes that it holds at the most.
     *
     * @param batchTokens tokens of the largest batch
     */
    public static long memory(Map<LinearInput, TileGrid> grids, long memory, int batchTokens) {
        long tiles = 0;
        long spooled = 0;
        long widest = 0;
        List<LinearInput> fit = inMemory(grids, memory);
        for (Map.Entry<LinearInput, TileGrid> grid : grids.entrySet()) {
            widest = Math.max(widest, grid.getValue().order());
            if (fit.contains(grid.getKey())) {
                tiles += grid.getValue().memory();
            } else {
                spooled = Math.max(spooled, TilesFromSpool.memory(grid.getValue(), batchTokens));
            }
        }
        return tiles + spooled + batchTokens * widest * Float.BYTES;
    }

    /** Says which tokens the inputs that come next belong to. */
    public void begin(Shard.Batch next) {
        batch = next;
    }

    @Override
    public void input(int block, LinearInput input, float[] x, int tokens, int columns) throws IOException {
        TileSums sum = sums.get(input);
        if (sum == null) {
            return;
        }
        if (tokens != batch.tokens()) {
            throw new IllegalStateException(
                    "Cannot add the inputs of " + tokens + " tokens: the batch has " + batch.tokens());
        }
        int[] kept = batch.kept();
        if (kept.length == tokens) {
            sum.add(x, tokens);
        } else if (kept.length > 0) {
            if (packed.length < kept.length * columns) {
                packed = new float[kept.length * columns];
            }
            for (int i = 0; i < kept.length; i++) {
                System.arraycopy(x, kept[i] * columns, packed, i * columns, columns);
            }
            sum.add(packed, kept.length);
        }
    }

    /** Writes the tiles of one input, each a section, in the order of {@link TileGrid#index}. */
    public void write(LinearInput input, Storage storage, String file) throws IOException {
        WholeFile.write(storage, file, out -> sums.get(input).write(new SectionWriter(out)));
    }

    @Override
    public void close() throws IOException {
        for (TileSums sum : sums.values()) {
            sum.close();
        }
    }
}
