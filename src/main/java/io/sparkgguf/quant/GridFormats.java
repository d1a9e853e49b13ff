package io.sparkgguf.quant;

import io.sparkgguf.kernel.BlockLevels;
import io.sparkgguf.kernel.IQ4Encoder;
import io.sparkgguf.kernel.ScaleCodes;
import io.sparkgguf.kernel.TernaryRounding;
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
        put(
                BlockType.Q4_0,
                ScaleLayout.single(0),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackNibbles(1, from, at + 2, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packNibbles(1, from, at, to, toAt + 2)),
                range(-8, 16));
        put(
                BlockType.Q4_1,
                ScaleLayout.withMinimum(0, 2),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackNibbles(1, from, at + 4, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packNibbles(1, from, at, to, toAt + 4)),
                range(0, 16));
        put(
                BlockType.Q5_0,
                ScaleLayout.single(0),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackFiveBits(from, at + 2, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packFiveBits(from, at, to, toAt + 2)),
                range(-16, 32));
        put(
                BlockType.Q5_1,
                ScaleLayout.withMinimum(0, 2),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackFiveBits(from, at + 4, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packFiveBits(from, at, to, toAt + 4)),
                range(0, 32));
        put(
                BlockType.Q8_0,
                ScaleLayout.single(0),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.shiftBytes(from, at + 2, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.shiftBytes(from, at, to, toAt + 2)),
                range(-128, 256));
        put(
                BlockType.IQ4_NL,
                ScaleLayout.single(0),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackNibbles(1, from, at + 2, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packNibbles(1, from, at, to, toAt + 2)),
                IQ4Encoder.levels());
        put(
                BlockType.IQ4_XS,
                new ScaleLayout(0, -1, false, ScaleCodes.SIX_BITS_SPLIT, 2),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackNibbles(8, from, at + 8, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packNibbles(8, from, at, to, toAt + 8)),
                IQ4Encoder.levels());
        put(
                BlockType.TQ1_0,
                ScaleLayout.single(52),
                LevelPacking.of(TernaryRounding::unpackTq1, TernaryRounding::packTq1),
                range(-1, 3));
        put(
                BlockType.TQ2_0,
                ScaleLayout.single(64),
                LevelPacking.of(BlockLevels::unpackTwoBits, BlockLevels::packTwoBits),
                range(-1, 3));
        put(
                BlockType.Q1_0,
                ScaleLayout.single(0),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackBits(from, at + 2, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packBits(from, at, to, toAt + 2)),
                new byte[] {-1, 1});
        put(
                BlockType.Q2_0,
                ScaleLayout.single(0),
                LevelPacking.of(
                        (from, at, to, toAt) -> BlockLevels.unpackNeighbours(from, at + 2, to, toAt),
                        (from, at, to, toAt) -> BlockLevels.packNeighbours(from, at, to, toAt + 2)),
                range(-1, 4));
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
