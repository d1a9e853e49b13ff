package io.sparkgguf.quant;

import io.sparkgguf.kernel.BlockLevels;
import io.sparkgguf.kernel.ScaleCodes;
import io.sparkgguf.tensor.BlockType;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/** The types that are grids: the one list of {@link GridFormat}. */
public final class GridFormats {
    private static final Map<BlockType, GridFormat> GRIDS = new EnumMap<>(BlockType.class);

    static {
        Q2K q2k = new Q2K();
        put(BlockType.Q2_K, q2k.layout(), q2k, range(0, 4));
        Q4K q4k = new Q4K();
        put(BlockType.Q4_K, q4k.layout(), q4k, range(0, 16));
        Q5K q5k = new Q5K();
        put(BlockType.Q5_K, q5k.layout(), q5k, range(0, 32));
        put(
                BlockType.Q3_K,
                new ScaleLayout(108, -1, false, ScaleCodes.SIX_BITS_SIGNED, 96),
                LevelPacking.of(BlockLevels::unpackQ3K, BlockLevels::packQ3K),
                range(-4, 8));
        put(
                BlockType.Q6_K,
                new ScaleLayout(208, -1, false, ScaleCodes.BYTES, 192),
                LevelPacking.of(BlockLevels::unpackQ6K, BlockLevels::packQ6K),
                range(-32, 64));
    }

    private GridFormats() {}

    /** The grid of this type; empty for types whose levels a solver cannot choose one by one. */
    public static Optional<GridFormat> of(BlockType type) {
        return Optional.ofNullable(GRIDS.get(type));
    }

    private static void put(BlockType type, ScaleLayout layout, LevelPacking packing, byte[] points) {
        GRIDS.put(type, new PackedGrid(type, layout, packing, points));
    }

    /** Consecutive integers. */
    private static byte[] range(int first, int count) {
        byte[] points = new byte[count];
        for (int i = 0; i < count; i++) {
            points[i] = (byte) (first + i);
        }
        return points;
    }
}
