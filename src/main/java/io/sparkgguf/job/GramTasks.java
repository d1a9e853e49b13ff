package io.sparkgguf.job;

import io.sparkgguf.calibrate.HessianTiles;
import io.sparkgguf.calibrate.InputFile;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileBlock;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.model.forward.LinearInput;
import java.io.IOException;
import java.io.Serializable;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What tasks do with the inputs that one pass over a block has seen: sum them up, a block of tiles each. {@link ShardTasks}
 * writes the inputs.
 */
final class GramTasks implements Serializable {
    private static final long serialVersionUID = 1L;

    private final HessianTasks hessians;
    private final CalibrationFolder folder;
    private final int block;
    private final EnumMap<LinearInput, TileGrid> grids;
    private final boolean paired;
    private final List<Shard> shards;

    /**
     * @param grids the inputs that the pass has seen, in their order
     * @param paired whether original inputs are beside them
     * @param shards all of them
     */
    GramTasks(
            HessianTasks hessians,
            CalibrationFolder folder,
            int block,
            Map<LinearInput, TileGrid> grids,
            boolean paired,
            List<Shard> shards) {
        this.hessians = hessians;
        this.folder = folder;
        this.block = block;
        this.grids = new EnumMap<>(grids);
        this.paired = paired;
        this.shards = shards;
    }

    /**
     * What a task sums up.
     *
     * @param heldOut whether it is of those tokens that judge results
     * @param tokens that enter the sum
     * @param tiles of the Hessian or of Δ; null for the squares of an input of which no more is wanted
     */
    record Item(LinearInput input, boolean heldOut, long tokens, int columns, TileBlock tiles) implements Serializable {
        /** A name of its own among all items of a block. */
        String label() {
            String of =
                    input.name() + (tiles != null && tiles.isDelta() ? " delta" : "") + (heldOut ? " held out" : "");
            return tiles == null
                    ? of + " squares"
                    : "%s %d-%d %d-%d".formatted(of, tiles.i(), tiles.endI(), tiles.j(), tiles.endJ());
        }

        /** Floating-point operations. */
        double operations() {
            return tiles == null ? 0 : 2.0 * tokens * tiles.products();
        }

        /**
         * Bytes that it reads, about.
         *
         * @param shards that there are
         */
        long bytes(int shards) {
            return tiles == null ? (long) columns * Double.BYTES * shards : tokens * tiles.columnsRead() * Float.BYTES;
        }

        /** Bytes that it writes. */
        long written() {
            return tiles == null
                    ? (long) columns * Double.BYTES
                    : tiles.tiles() * tiles.grid().stored() / tiles.grid().count();
        }

        /** Bytes that it holds; {@code batchTokens} are those of the largest batch. */
        long memory(int batchTokens) {
            return tiles == null ? 2L * columns * Double.BYTES : tiles.memory(batchTokens);
        }
    }

    /** What a pass sees of a shard. */
    InputFile file(Shard shard) {
        LinearInput first = grids.keySet().iterator().next();
        return new InputFile(
                hessians.storage(),
                folder.inputs(hessians.storage(), block, first, shard),
                shard,
                ShardTasks.BATCH_TOKENS,
                grids,
                paired);
    }

    /** Sums up; gives the nanoseconds that it took. */
    Long run(Item item) throws IOException {
        long start = System.nanoTime();
        List<InputFile> files = shards.stream()
                .filter(shard -> shard.heldOut() == item.heldOut())
                .map(this::file)
                .toList();
        if (item.tiles() == null) {
            hessians.writeSquares(item.input(), squares(item, files));
        } else {
            TileGrid grid = grids.get(item.input());
            HessianTiles into = item.tiles().isDelta()
                    ? hessians.delta(item.input(), grid, item.heldOut())
                    : hessians.hessian(item.input(), grid, item.heldOut());
            item.tiles().sum(item.input(), files, into);
        }
        return System.nanoTime() - start;
    }

    private static double[] squares(Item item, List<InputFile> files) throws IOException {
        double[] total = new double[item.columns()];
        for (InputFile file : files) {
            try (InputFile.Reader reader = file.open()) {
                double[] part = reader.squares(item.input());
                for (int column = 0; column < total.length; column++) {
                    total[column] += part[column];
                }
            }
        }
        return total;
    }
}
