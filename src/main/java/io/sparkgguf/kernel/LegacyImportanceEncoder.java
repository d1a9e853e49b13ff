package io.sparkgguf.kernel;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Q4_0 and Q5_0 with an importance: blocks of 32, levels fitted by {@link SymmetricSearch} to errors that weigh
 * {@code importance * sqrt(mean of x² over the row + x²)}.
 *
 * <p>Bytes: the scale as binary16; for Q5_0 the levels' fifth bits, element i in bit i of four little-endian bytes; sixteen
 * of low four bits, element j in the low and j + 16 in the high nibble of byte j.
 *
 * <p>Source: quantize_row_q4_0_impl and quantize_row_q5_0_impl of ggml.
 */
public final class LegacyImportanceEncoder {
    private static final int ELEMENTS = 32;

    private LegacyImportanceEncoder() {}

    /**
     * Encodes rows; the scalar definition.
     *
     * @param bits 4 for Q4_0, 5 for Q5_0
     * @param x the weights, from {@code at}
     * @param columns weights of a row, a multiple of 32
     * @param importance one number a column, from {@code importanceAt}
     * @param out receives 18 or 22 bytes a block, from {@code outAt}
     */
    public static void scalar(
            int bits,
            float[] x,
            int at,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        int half = 1 << bits - 1;
        float[] weights = new float[ELEMENTS];
        byte[] levels = new byte[ELEMENTS];
        int to = outAt;
        for (int row = 0; row < rows; row++) {
            int rowAt = at + row * columns;
            float spread = ImportanceWeights.squares(x, rowAt, columns) / columns;
            for (int i = 0; i < columns; i += ELEMENTS) {
                ImportanceWeights.scalar(x, rowAt + i, ELEMENTS, spread, importance, importanceAt + i, weights);
                float d = SymmetricSearch.scalar(x, rowAt + i, ELEMENTS, half, weights, 0, levels, 0);
                Words.putShort(out, to, Binary16.fromFloat(d));
                to += 2;
                if (bits == 5) {
                    int fifth = 0;
                    for (int j = 0; j < ELEMENTS; j++) {
                        fifth |= levels[j] >> 4 << j;
                    }
                    Words.putInt(out, to, fifth);
                    to += 4;
                }
                for (int j = 0; j < 16; j++) {
                    out[to++] = (byte) (levels[j] & 15 | levels[j + 16] << 4);
                }
            }
        }
    }

    /** The same as {@link #scalar}, blocks in lanes. */
    public static void vector(
            int bits,
            float[] x,
            int at,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        int half = 1 << bits - 1;
        int blocksPerRow = columns / ELEMENTS;
        int blocks = rows * blocksPerRow;
        int bytes = bits == 5 ? 22 : 18;
        float[] spreads = new float[rows];
        ImportanceWeights.squares(x, at, rows, columns, spreads);
        Tile tile = Tile.mine();
        for (int b = 0; b < blocks; b += Lanes.WIDTH) {
            int count = Math.min(Lanes.WIDTH, blocks - b);
            Lanes.gather(x, at + b * ELEMENTS, count, ELEMENTS, tile.x);
            Lanes.gatherCyclic(importance, importanceAt, b, blocksPerRow, ELEMENTS, tile.w);
            for (int lane = 0; lane < count; lane++) {
                tile.spread[lane] = spreads[(b + lane) / blocksPerRow] / columns;
            }
            ImportanceWeights.lanes(tile.x, ELEMENTS, tile.spread, tile.w);
            tile.symmetric.lanes(tile.x, tile.w, 0, ELEMENTS, half, tile.d, tile.inverse, 0);
            SymmetricSearch.levels(tile.x, 0, ELEMENTS, half, tile.inverse, 0, tile.levels);
            pack(tile.levels, tile.words);
            for (int lane = 0; lane < count; lane++) {
                int to = outAt + (b + lane) * bytes;
                Words.putShort(out, to, Binary16.fromFloat(tile.d[lane]));
                if (bits == 5) {
                    tile.write(lane, 4, 1, out, to + 2);
                }
                tile.write(lane, 0, 4, out, to + bytes - 16);
            }
        }
    }

    /** Levels to four words of low bits and one of fifth bits. */
    private static void pack(int[] levels, int[] words) {
        IntVector fifthLow = IntVector.zero(Lanes.INTS);
        IntVector fifthHigh = fifthLow;
        int k = 3;
        do {
            IntVector low = Lanes.bytes(levels, 4 * k * Lanes.WIDTH);
            IntVector high = Lanes.bytes(levels, (4 * k + 16) * Lanes.WIDTH);
            low.and(0x0f0f0f0f)
                    .or(high.and(0x0f0f0f0f).lanewise(VectorOperators.LSHL, 4))
                    .intoArray(words, k * Lanes.WIDTH);
            fifthLow = fifthLow.lanewise(VectorOperators.LSHL, 4).or(fifths(low));
            fifthHigh = fifthHigh.lanewise(VectorOperators.LSHL, 4).or(fifths(high));
            k--;
        } while (k >= 0);
        fifthLow.or(fifthHigh.lanewise(VectorOperators.LSHL, 16)).intoArray(words, 4 * Lanes.WIDTH);
    }

    /** The fifth bits of four bytes in the lowest four bits. */
    private static IntVector fifths(IntVector bytes) {
        IntVector bits = bytes.and(0x10101010);
        return bits.lanewise(VectorOperators.LSHR, 4)
                .or(bits.lanewise(VectorOperators.LSHR, 11))
                .or(bits.lanewise(VectorOperators.LSHR, 18))
                .or(bits.lanewise(VectorOperators.LSHR, 25))
                .and(15);
    }
}
