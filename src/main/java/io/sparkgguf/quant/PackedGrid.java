package io.sparkgguf.quant;

import io.sparkgguf.kernel.ByteTransposition;
import io.sparkgguf.kernel.ScaleCodes;
import io.sparkgguf.tensor.BlockType;
import java.util.Objects;

/** A grid made of where scales and levels lie in a block. */
final class PackedGrid implements GridFormat {
    /** Rows whose blocks are moved together: a cache line of levels in each column. */
    private static final int TILE_ROWS = 64;

    private final BlockType type;
    private final ScaleLayout layout;
    private final LevelPacking packing;
    private final byte[] points;
    private final boolean uniform;
    private final ThreadLocal<byte[]> tile;

    /** @param points as {@link GridFormat#points} */
    PackedGrid(BlockType type, ScaleLayout layout, LevelPacking packing, byte[] points) {
        this.type = type;
        this.layout = layout;
        this.packing = packing;
        this.points = points;
        this.uniform = points[points.length - 1] - points[0] == points.length - 1;
        this.tile = ThreadLocal.withInitial(() -> new byte[TILE_ROWS * type.blockElements()]);
    }

    @Override
    public BlockType type() {
        return type;
    }

    @Override
    public int groupElements() {
        return type.blockElements() / layout.codes().subBlocks();
    }

    @Override
    public byte[] points() {
        return points.clone();
    }

    @Override
    public boolean uniform() {
        return uniform;
    }

    @Override
    public boolean affine() {
        return layout.affine();
    }

    @Override
    public int minScaleCode() {
        return layout.codes().minCode();
    }

    @Override
    public int maxScaleCode() {
        return layout.codes().maxCode();
    }

    @Override
    public int maxMinimumCode() {
        return layout.codes().codesMinima() ? layout.codes().maxCode() : 1;
    }

    /** 0 where minima are coded, else 1 as the largest. */
    private int minMinimumCode() {
        return layout.codes().codesMinima() ? layout.codes().minCode() : 1;
    }

    @Override
    public void readGrid(byte[] blocks, int at, int rows, int columns, float[] scales, float[] offsets) {
        int perRow = blocksPerRow(blocks, at, rows, columns);
        int groups = layout.codes().subBlocks();
        Objects.checkFromIndexSize(0, perRow * groups * rows, Math.min(scales.length, offsets.length));
        for (int b = 0; b < perRow; b++) {
            for (int row = 0; row < rows; row++) {
                int block = at + (row * perRow + b) * type.blockBytes();
                float d = layout.d(blocks, block);
                float dmin = layout.dmin(blocks, block);
                for (int g = 0; g < groups; g++) {
                    int to = (b * groups + g) * rows + row;
                    scales[to] = d * layout.scaleCode(blocks, block, g);
                    offsets[to] = dmin * layout.minimumCode(blocks, block, g);
                }
            }
        }
    }

    @Override
    public void readLevels(byte[] blocks, int at, int rows, int columns, byte[] levels) {
        int perRow = blocksPerRow(blocks, at, rows, columns);
        Objects.checkFromIndexSize(0, Math.multiplyExact(rows, columns), levels.length);
        int elements = type.blockElements();
        byte[] unpacked = tile.get();
        for (int first = 0; first < rows; first += TILE_ROWS) {
            int count = Math.min(TILE_ROWS, rows - first);
            for (int b = 0; b < perRow; b++) {
                for (int r = 0; r < count; r++) {
                    int block = at + ((first + r) * perRow + b) * type.blockBytes();
                    packing.unpack(blocks, block, unpacked, r * elements);
                }
                ByteTransposition.transpose(
                        unpacked, 0, elements, count, elements, levels, b * elements * rows + first, rows);
            }
        }
    }

    @Override
    public void writeLevels(byte[] levels, int rows, int columns, byte[] blocks, int at) {
        int perRow = blocksPerRow(blocks, at, rows, columns);
        Objects.checkFromIndexSize(0, Math.multiplyExact(rows, columns), levels.length);
        int elements = type.blockElements();
        byte[] unpacked = tile.get();
        for (int first = 0; first < rows; first += TILE_ROWS) {
            int count = Math.min(TILE_ROWS, rows - first);
            for (int b = 0; b < perRow; b++) {
                ByteTransposition.transpose(
                        levels, b * elements * rows + first, rows, elements, count, unpacked, 0, elements);
                for (int r = 0; r < count; r++) {
                    int block = at + ((first + r) * perRow + b) * type.blockBytes();
                    packing.pack(unpacked, r * elements, blocks, block);
                }
            }
        }
    }

    @Override
    public void readScales(byte[] blocks, int at, int rows, int columns, ScaleParts parts) {
        int perRow = blocksPerRow(blocks, at, rows, columns);
        int groups = layout.codes().subBlocks();
        check(parts, perRow * rows, perRow * groups * rows);
        for (int b = 0; b < perRow; b++) {
            for (int row = 0; row < rows; row++) {
                int block = at + (row * perRow + b) * type.blockBytes();
                parts.d()[b * rows + row] = layout.d(blocks, block);
                parts.dmin()[b * rows + row] = layout.dmin(blocks, block);
                for (int g = 0; g < groups; g++) {
                    int to = (b * groups + g) * rows + row;
                    parts.scaleCode()[to] = (byte) layout.scaleCode(blocks, block, g);
                    parts.minimumCode()[to] = (byte) layout.minimumCode(blocks, block, g);
                }
            }
        }
    }

    @Override
    public void writeScales(ScaleParts parts, int rows, int columns, byte[] blocks, int at) {
        int perRow = blocksPerRow(blocks, at, rows, columns);
        ScaleCodes codes = layout.codes();
        int groups = codes.subBlocks();
        check(parts, perRow * rows, perRow * groups * rows);
        checkCodes("scale", parts.scaleCode(), perRow * groups * rows, minScaleCode(), maxScaleCode());
        checkCodes("minimum", parts.minimumCode(), perRow * groups * rows, minMinimumCode(), maxMinimumCode());
        int[] scales = new int[groups];
        int[] minima = new int[groups];
        for (int row = 0; row < rows; row++) {
            for (int b = 0; b < perRow; b++) {
                int block = at + (row * perRow + b) * type.blockBytes();
                layout.put(parts.d()[b * rows + row], parts.dmin()[b * rows + row], blocks, block);
                for (int g = 0; g < groups; g++) {
                    scales[g] = parts.scaleCode()[(b * groups + g) * rows + row];
                    minima[g] = parts.minimumCode()[(b * groups + g) * rows + row];
                }
                codes.pack(scales, minima, 0, 1, blocks, block + layout.codesAt());
            }
        }
    }

    /** Checks that these rows lie within {@code blocks}; the blocks of a row. */
    private int blocksPerRow(byte[] blocks, int at, int rows, int columns) {
        if (rows < 0 || columns <= 0 || columns % type.blockElements() != 0) {
            throw new IllegalArgumentException("Cannot use " + rows + " rows of " + columns + " weights as a grid of "
                    + type.label() + ": a block holds " + type.blockElements() + " weights");
        }
        int perRow = columns / type.blockElements();
        int bytes = Math.multiplyExact(Math.multiplyExact(perRow, rows), type.blockBytes());
        Objects.checkFromIndexSize(at, bytes, blocks.length);
        return perRow;
    }

    private static void check(ScaleParts parts, int blocks, int groups) {
        Objects.checkFromIndexSize(0, blocks, Math.min(parts.d().length, parts.dmin().length));
        Objects.checkFromIndexSize(0, groups, Math.min(parts.scaleCode().length, parts.minimumCode().length));
    }

    private void checkCodes(String name, byte[] codes, int count, int min, int max) {
        for (int i = 0; i < count; i++) {
            if (codes[i] < min || codes[i] > max) {
                throw new IllegalArgumentException("Cannot write " + name + " code " + codes[i] + " of " + type.label()
                        + ": its codes are from " + min + " to " + max);
            }
        }
    }
}
