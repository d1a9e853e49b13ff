package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * IQ4_NL, blocks of 32 with one binary16, and IQ4_XS, super-blocks of 256 with eight 6-bit scales: levels from the table of
 * {@link NonlinearSearch}.
 *
 * <p>Bytes of IQ4_NL: the scale; sixteen of indices, element j in the low and j + 16 in the high nibble of byte j. Of
 * IQ4_XS: the scale; two bytes of the high two bits of the sub-blocks' scales; four of their low four bits; 128 of indices,
 * sixteen a sub-block as in IQ4_NL.
 *
 * <p>Errors weigh x², or {@code importance * sqrt(2 * mean of x² + x²)}, the mean over the block or super-block.
 *
 * <p>Source: quantize_row_iq4_nl_impl of ggml.
 */
public final class IQ4Encoder {
    private static final int GROUP = NonlinearSearch.ELEMENTS;
    private static final int NL_BYTES = 18;
    private static final int SUPER = 256;
    private static final int GROUPS = SUPER / GROUP;
    private static final int XS_BYTES = 136;
    private static final int SCALE_HALF = 32;

    private IQ4Encoder() {}

    /** The sixteen levels, ascending; a new array. */
    public static byte[] levels() {
        byte[] levels = new byte[NonlinearSearch.LEVELS.length];
        for (int i = 0; i < levels.length; i++) {
            levels[i] = (byte) NonlinearSearch.LEVELS[i];
        }
        return levels;
    }

    /**
     * Encodes consecutive blocks of IQ4_NL; the scalar definition.
     *
     * @param x 32 weights a block, from {@code at}
     * @param blocks whole rows
     * @param blocksPerRow blocks of a row
     * @param importance null, or one number a column, from {@code importanceAt}
     * @param out receives 18 bytes a block, from {@code outAt}
     */
    public static void scalarNL(
            float[] x,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        float[] weights = new float[GROUP];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * GROUP;
            int to = outAt + b * NL_BYTES;
            float spread = ImportanceWeights.squares(x, from, GROUP) * (2f / GROUP);
            int importanceFrom = importanceAt + b % blocksPerRow * GROUP;
            ImportanceWeights.scalar(x, from, GROUP, spread, importance, importanceFrom, weights);
            float scale = NonlinearSearch.scalar(x, from, weights, 0);
            Words.putShort(out, to, Binary16.fromFloat(scale));
            pack(x, from, scale != 0 ? 1 / scale : 0, out, to + 2);
        }
    }

    /**
     * Encodes consecutive super-blocks of IQ4_XS; the scalar definition.
     *
     * @param x 256 weights a super-block, from {@code at}
     * @param blocks whole rows
     * @param blocksPerRow super-blocks of a row
     * @param importance null, or one number a column, from {@code importanceAt}
     * @param out receives 136 bytes a super-block, from {@code outAt}
     */
    public static void scalarXS(
            float[] x,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        float[] weights = new float[SUPER];
        float[] scales = new float[GROUPS];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * SUPER;
            int to = outAt + b * XS_BYTES;
            float spread = ImportanceWeights.squares(x, from, SUPER) * (2f / SUPER);
            int importanceFrom = importanceAt + b % blocksPerRow * SUPER;
            ImportanceWeights.scalar(x, from, SUPER, spread, importance, importanceFrom, weights);
            for (int g = 0; g < GROUPS; g++) {
                scales[g] = NonlinearSearch.scalar(x, from + g * GROUP, weights, g * GROUP);
            }
            float d = -Extremes.scalar(scales, 0, GROUPS) / SCALE_HALF;
            float inverse = d != 0 ? 1 / d : 0;
            int low = 0;
            int high = 0;
            for (int g = 0; g < GROUPS; g++) {
                int l = NearestInt.level(inverse * scales[g], SCALE_HALF);
                float scale = d * l;
                pack(x, from + g * GROUP, scale != 0 ? 1 / scale : 0, out, to + 8 + 16 * g);
                low |= (l + SCALE_HALF & 15) << 4 * g;
                high |= l + SCALE_HALF >> 4 << 2 * g;
            }
            Words.putShort(out, to, Binary16.fromFloat(d));
            Words.putShort(out, to + 2, (short) high);
            Words.putInt(out, to + 4, low);
        }
    }

    private static void pack(float[] x, int at, float inverse, byte[] out, int to) {
        for (int j = 0; j < 16; j++) {
            int low = NonlinearSearch.nearest(inverse * x[at + j]);
            int high = NonlinearSearch.nearest(inverse * x[at + 16 + j]);
            out[to + j] = (byte) (low | high << 4);
        }
    }

    /** The same as {@link #scalarNL}, blocks in lanes. */
    public static void vectorNL(
            float[] x,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        Tile tile = Tile.mine();
        for (int b = 0; b < blocks; b += Lanes.WIDTH) {
            int count = Math.min(Lanes.WIDTH, blocks - b);
            Lanes.gather(x, at + b * GROUP, count, GROUP, tile.x);
            weigh(tile, GROUP, importance, importanceAt, b, blocksPerRow);
            tile.nonlinear.lanes(tile.x, tile.w, 0, tile.scale, 0);
            invert(tile.scale, tile.inverse, Lanes.WIDTH);
            NonlinearSearch.indices(tile.x, 0, tile.inverse, 0, tile.levels);
            pack(tile.levels, GROUP, tile.words);
            for (int lane = 0; lane < count; lane++) {
                int to = outAt + (b + lane) * NL_BYTES;
                Words.putShort(out, to, Binary16.fromFloat(tile.scale[lane]));
                tile.write(lane, 0, 4, out, to + 2);
            }
        }
    }

    /** The same as {@link #scalarXS}, super-blocks in lanes. */
    public static void vectorXS(
            float[] x,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        Tile tile = Tile.mine();
        for (int b = 0; b < blocks; b += Lanes.WIDTH) {
            int count = Math.min(Lanes.WIDTH, blocks - b);
            Lanes.gather(x, at + b * SUPER, count, SUPER, tile.x);
            weigh(tile, SUPER, importance, importanceAt, b, blocksPerRow);
            for (int g = 0; g < GROUPS; g++) {
                tile.nonlinear.lanes(tile.x, tile.w, g * GROUP * Lanes.WIDTH, tile.scale, g * Lanes.WIDTH);
            }
            codes(tile);
            for (int g = 0; g < GROUPS; g++) {
                NonlinearSearch.indices(tile.x, g * GROUP * Lanes.WIDTH, tile.inverse, g * Lanes.WIDTH, tile.levels);
            }
            pack(tile.levels, SUPER, tile.words);
            for (int lane = 0; lane < count; lane++) {
                int to = outAt + (b + lane) * XS_BYTES;
                int low = 0;
                int high = 0;
                for (int g = 0; g < GROUPS; g++) {
                    int code = tile.codes[g * Lanes.WIDTH + lane];
                    low |= (code & 15) << 4 * g;
                    high |= code >> 4 << 2 * g;
                }
                Words.putShort(out, to, Binary16.fromFloat(tile.d[lane]));
                Words.putShort(out, to + 2, (short) high);
                Words.putInt(out, to + 4, low);
                tile.write(lane, 0, 32, out, to + 8);
            }
        }
    }

    private static void weigh(
            Tile tile, int elements, float[] importance, int importanceAt, int block, int blocksPerRow) {
        if (importance == null) {
            ImportanceWeights.lanes(tile.x, elements, tile.w);
        } else {
            Lanes.gatherCyclic(importance, importanceAt, block, blocksPerRow, elements, tile.w);
            ImportanceWeights.spreads(tile.x, elements, 2f / elements, tile.spread);
            ImportanceWeights.lanes(tile.x, elements, tile.spread, tile.w);
        }
    }

    /** Codes of the sub-blocks' scales, 0 to 63; d; and the inverse scales that the codes and d, not yet rounded, stand for. */
    private static void codes(Tile tile) {
        Extremes.lanes(tile.scale, 0, GROUPS, tile.d, 0);
        FloatVector extreme = FloatVector.fromArray(Lanes.FLOATS, tile.d, 0);
        FloatVector d = extreme.neg().div(SCALE_HALF);
        d.intoArray(tile.d, 0);
        FloatVector inverse =
                FloatVector.broadcast(Lanes.FLOATS, 1f).div(d).blend(0f, d.compare(VectorOperators.EQ, 0f));
        for (int g = 0; g < GROUPS * Lanes.WIDTH; g += Lanes.WIDTH) {
            IntVector code = inverse.mul(FloatVector.fromArray(Lanes.FLOATS, tile.scale, g))
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .and(0x7fffff)
                    .max(0x400000 - SCALE_HALF)
                    .min(0x400000 + SCALE_HALF - 1);
            code.sub(0x400000 - SCALE_HALF).intoArray(tile.codes, g);
            // The code as a float, by way of the mantissa.
            FloatVector l = code.or(0x4b000000).reinterpretAsFloats().sub(Lanes.ROUND);
            d.mul(l).intoArray(tile.sum, g);
        }
        invert(tile.sum, tile.inverse, GROUPS * Lanes.WIDTH);
    }

    /** Inverses; zero for zero. */
    private static void invert(float[] scale, float[] inverse, int count) {
        FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1f);
        for (int i = 0; i < count; i += Lanes.WIDTH) {
            FloatVector s = FloatVector.fromArray(Lanes.FLOATS, scale, i);
            one.div(s).blend(0f, s.compare(VectorOperators.EQ, 0f)).intoArray(inverse, i);
        }
    }

    /** Indices to words: sixteen bytes, four words, for every 32 elements. */
    private static void pack(int[] indices, int elements, int[] words) {
        for (int k = 0; k < elements / 8; k++) {
            int at = (k / 4 * 32 + k % 4 * 4) * Lanes.WIDTH;
            IntVector low = Lanes.bytes(indices, at);
            IntVector high = Lanes.bytes(indices, at + 16 * Lanes.WIDTH);
            low.or(high.lanewise(VectorOperators.LSHL, 4)).intoArray(words, k * Lanes.WIDTH);
        }
    }
}
