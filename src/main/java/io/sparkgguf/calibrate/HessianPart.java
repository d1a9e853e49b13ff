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
 * the inputs batch by batch and writes tiles in the end. If it is to pair them with the inputs that the original weights make,
 * it sums Δ = (y - x) xᵀ as well, y being those, for each input whose whole Hessian is wanted.
 *
 * <p>Tiles that fit the memory it is given are summed while batches come; inputs of more columns are kept in a file of this
 * machine until all batches are there, then taken tile by tile. Both add the same products in the same order, so what is
 * written does not depend on the memory.
 */
public final class HessianPart implements BlockObserver, Closeable {
    private final Map<LinearInput, TileSums> sums = new EnumMap<>(LinearInput.class);
    private final Map<LinearInput, TileSums> deltas = new EnumMap<>(LinearInput.class);
    private final Map<LinearInput, float[]> originals = new EnumMap<>(LinearInput.class);
    private Shard.Batch batch;
    private float[] packed = new float[0];
    private float[] pairs = new float[0];

    /**
     * @param grids the inputs that are wanted, with the tiles of their Hessians
     * @param memory bytes that tiles may take together while batches come
     * @param shard whose inputs it will see
     * @param paired whether Δ is wanted; then each batch is shown to {@link #originals} first
     */
    public HessianPart(Map<LinearInput, TileGrid> grids, long memory, Shard shard, boolean paired) throws IOException {
        try {
            open(grids, memory, shard, sums);
            if (paired) {
                open(ofDelta(grids), memory - held(grids, memory), shard, deltas);
            }
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    private static void open(
            Map<LinearInput, TileGrid> grids, long memory, Shard shard, Map<LinearInput, TileSums> into)
            throws IOException {
        for (LinearInput input : inMemory(grids, memory)) {
            into.put(input, new TilesInMemory(grids.get(input)));
        }
        for (Map.Entry<LinearInput, TileGrid> grid : grids.entrySet()) {
            if (!into.containsKey(grid.getKey())) {
                into.put(grid.getKey(), new TilesFromSpool(grid.getValue(), shard.counted()));
            }
        }
    }

    /** How Δ is cut, for each input that has one. */
    private static Map<LinearInput, TileGrid> ofDelta(Map<LinearInput, TileGrid> grids) {
        Map<LinearInput, TileGrid> all = new EnumMap<>(LinearInput.class);
        grids.forEach((input, grid) -> {
            if (grid.kept() == TileGrid.Kept.UPPER) {
                all.put(input, grid.all());
            }
        });
        return all;
    }

    private static long held(Map<LinearInput, TileGrid> grids, long memory) {
        return inMemory(grids, memory).stream()
                .mapToLong(input -> grids.get(input).memory())
                .sum();
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
     * @param paired whether Δ is summed as well
     */
    public static long memory(Map<LinearInput, TileGrid> grids, long memory, int batchTokens, boolean paired) {
        Map<LinearInput, TileGrid> ofDelta = paired ? ofDelta(grids) : Map.of();
        long tiles = held(grids, memory);
        long spooled = Math.max(spooled(grids, memory, batchTokens), spooled(ofDelta, memory - tiles, batchTokens));
        tiles += held(ofDelta, memory - tiles);
        // the kept tokens of one input; the original ones of all inputs, and of one beside the difference
        long floats = widest(grids)
                + ofDelta.values().stream().mapToLong(TileGrid::order).sum()
                + 2 * widest(ofDelta);
        return tiles + spooled + batchTokens * floats * Float.BYTES;
    }

    private static long widest(Map<LinearInput, TileGrid> grids) {
        return grids.values().stream().mapToLong(TileGrid::order).max().orElse(0);
    }

    private static long spooled(Map<LinearInput, TileGrid> grids, long memory, int batchTokens) {
        List<LinearInput> fit = inMemory(grids, memory);
        return grids.entrySet().stream()
                .filter(grid -> !fit.contains(grid.getKey()))
                .mapToLong(grid -> TilesFromSpool.memory(grid.getValue(), batchTokens))
                .max()
                .orElse(0);
    }

    /** Says which tokens the inputs that come next belong to. */
    public void begin(Shard.Batch next) {
        batch = next;
    }

    /** What looks at the batch's inputs as the original weights make them, before this looks at them as they now are. */
    public BlockObserver originals() {
        return (block, input, y, tokens, columns) -> {
            if (deltas.containsKey(input)) {
                int values = tokens * columns;
                float[] kept = originals.get(input);
                if (kept == null || kept.length < values) {
                    kept = new float[values];
                    originals.put(input, kept);
                }
                System.arraycopy(y, 0, kept, 0, values);
            }
        };
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
        TileSums delta = deltas.get(input);
        if (delta != null && kept.length > 0) {
            pair(originals.get(input), x, kept, columns);
            delta.add(pairs, kept.length);
        }
    }

    /** Puts y - x and x of each token that counts side by side. */
    private void pair(float[] y, float[] x, int[] kept, int columns) {
        if (pairs.length < 2 * kept.length * columns) {
            pairs = new float[Math.multiplyExact(2 * kept.length, columns)];
        }
        for (int i = 0; i < kept.length; i++) {
            int from = kept[i] * columns;
            int to = 2 * i * columns;
            for (int c = 0; c < columns; c++) {
                pairs[to + c] = y[from + c] - x[from + c];
            }
            System.arraycopy(x, from, pairs, to + columns, columns);
        }
    }

    /** Writes the tiles of one input, each a section, in the order of {@link TileGrid#index}. */
    public void write(LinearInput input, Storage storage, String file) throws IOException {
        WholeFile.write(storage, file, out -> sums.get(input).write(new SectionWriter(out)));
    }

    /** Whether there is a Δ of an input. */
    public boolean isPaired(LinearInput input) {
        return deltas.containsKey(input);
    }

    /** Writes the tiles of Δ of one input, in the order of {@link TileGrid#index} of {@link TileGrid#all}. */
    public void writeDelta(LinearInput input, Storage storage, String file) throws IOException {
        WholeFile.write(storage, file, out -> deltas.get(input).write(new SectionWriter(out)));
    }

    @Override
    public void close() throws IOException {
        for (TileSums sum : sums.values()) {
            sum.close();
        }
        for (TileSums delta : deltas.values()) {
            delta.close();
        }
    }
}
