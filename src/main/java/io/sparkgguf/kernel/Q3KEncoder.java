package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Q3_K: super-blocks of 256, sixteen sub-blocks of 16 with 6-bit scales, levels -4 to 3.
 *
 * <p>Bytes: 32 of the levels' high bits, 64 of their low two bits, 12 of scales, one binary16.
 *
 * <p>Without importance each sub-block is fitted by {@link ThreeBitDescent} and the scales are divided by their extreme.
 * With it, errors weigh {@code importance * sqrt(2 * mean of x² + x²)}, and both the sub-blocks and their scales, which weigh
 * as much as their sub-blocks, are fitted by {@link SymmetricSearch}.
 *
 * <p>Source: quantize_row_q3_K_ref and quantize_row_q3_K_impl of ggml.
 */
public final class Q3KEncoder {
    private static final int ELEMENTS = 256;
    private static final int GROUPS = 16;
    private static final int GROUP = 16;
    private static final int HALF = 4;
    private static final int SCALE_HALF = 32;
    private static final int BYTES = 110;
    private static final int LOW_AT = 32;
    private static final int SCALES_AT = 96;
    private static final int D_AT = 108;

    private Q3KEncoder() {}

    /**
     * Encodes consecutive super-blocks; the scalar definition.
     *
     * @param x 256 weights a super-block, from {@code at}
     * @param blocks super-blocks, whole rows
     * @param blocksPerRow super-blocks of a row
     * @param importance null, or one number a column, from {@code importanceAt}
     * @param out receives 110 bytes a super-block, from {@code outAt}
     */
    public static void scalar(
            float[] x,
            int at,
            int blocks,
            int blocksPerRow,
            float[] importance,
            int importanceAt,
            byte[] out,
            int outAt) {
        float[] weights = new float[ELEMENTS];
        float[] scales = new float[GROUPS];
        byte[] levels = new byte[ELEMENTS];
        byte[] codes = new byte[GROUPS];
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            float d;
            if (importance == null) {
                for (int i = 0; i < ELEMENTS; i += GROUP) {
                    scales[i / GROUP] = ThreeBitDescent.scalar(x, from + i, levels, i);
                }
                d = codes(scales, codes);
            } else {
                float spread = 2 * ImportanceWeights.squares(x, from, ELEMENTS) / ELEMENTS;
                int importanceFrom = importanceAt + b % blocksPerRow * ELEMENTS;
                ImportanceWeights.scalar(x, from, ELEMENTS, spread, importance, importanceFrom, weights);
                float[] sums = new float[GROUPS];
                for (int i = 0; i < ELEMENTS; i += GROUP) {
                    for (int k = 0; k < GROUP; k++) {
                        sums[i / GROUP] += weights[i + k];
                    }
                    scales[i / GROUP] = SymmetricSearch.scalar(x, from + i, GROUP, HALF, weights, i, levels, i);
                }
                d = SymmetricSearch.scalar(scales, 0, GROUPS, SCALE_HALF, sums, 0, codes, 0);
            }
            short stored = Binary16.fromFloat(d);
            for (int g = 0; g < GROUPS; g++) {
                float scale = Binary16.toFloat(stored) * (codes[g] - SCALE_HALF);
                Requantizer.scalar(x, from + g * GROUP, HALF, scale, levels, g * GROUP);
            }
            int to = outAt + b * BYTES;
            Arrays.fill(out, to, to + BYTES, (byte) 0);
            for (int i = 0; i < ELEMENTS; i++) {
                out[to + i % 32] |= (byte) (levels[i] >> 2 << i / 32);
                out[to + LOW_AT + i / 128 * 32 + i % 32] |= (byte) ((levels[i] & 3) << i % 128 / 32 * 2);
            }
            for (int g = 0; g < GROUPS; g++) {
                putCode(codes[g], g, out, to + SCALES_AT);
            }
            Words.putShort(out, to + D_AT, stored);
        }
    }

    /** Codes of the scales of sub-blocks without importance, 0 to 63; the scale of scales. */
    private static float codes(float[] scales, byte[] codes) {
        float extreme = Extremes.scalar(scales, 0, GROUPS);
        Arrays.fill(codes, (byte) 0);
        if (extreme == 0) {
            return 0;
        }
        float inverse = -SCALE_HALF / extreme;
        for (int g = 0; g < GROUPS; g++) {
            // ggml keeps it in a byte before it clamps.
            int code = (byte) NearestInt.nearest(inverse * scales[g]);
            codes[g] = (byte) (Math.max(-SCALE_HALF, Math.min(SCALE_HALF - 1, code)) + SCALE_HALF);
        }
        return 1 / inverse;
    }

    /** Adds the six bits of sub-block g's code to the twelve bytes: four to a nibble of the first eight, two to the last four. */
    static void putCode(int code, int g, byte[] out, int at) {
        out[at + g % 8] |= (byte) ((code & 15) << g / 8 * 4);
        out[at + 8 + g % 4] |= (byte) (code >> 4 << g / 4 * 2);
    }

    /** The same as {@link #scalar}, super-blocks in lanes. */
    public static void vector(
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
            Lanes.gather(x, at + b * ELEMENTS, count, ELEMENTS, tile.x);
            if (importance == null) {
                tile.descent.lanes(tile.x, GROUPS, x, at + b * ELEMENTS, count, tile.scale);
                codes(tile);
            } else {
                Lanes.gatherCyclic(importance, importanceAt, b, blocksPerRow, ELEMENTS, tile.w);
                search(tile);
            }
            scales(tile);
            if (Requantizer.anyZero(tile.sum, GROUPS * Lanes.WIDTH)) {
                if (importance == null) {
                    keepLevels(tile, x, at + b * ELEMENTS, count);
                } else {
                    keepLevels(tile);
                }
            }
            for (int g = 0; g < GROUPS; g++) {
                Requantizer.lanes(tile.x, g * GROUP * Lanes.WIDTH, HALF, tile.sum, g * Lanes.WIDTH, tile.levels);
            }
            pack(tile.levels, tile.words);
            packCodes(tile.codes, tile.words);
            for (int lane = 0; lane < count; lane++) {
                int to = outAt + (b + lane) * BYTES;
                tile.write(lane, 0, D_AT / 4, out, to);
                Words.putShort(out, to + D_AT, tile.stored[lane]);
            }
        }
    }

    /** With importance: the scales of the sub-blocks, their codes and the scale of scales. */
    private static void search(Tile tile) {
        ImportanceWeights.spreads(tile.x, ELEMENTS, 2f / ELEMENTS, tile.spread);
        ImportanceWeights.lanes(tile.x, ELEMENTS, tile.spread, tile.w);
        for (int g = 0; g < GROUPS; g++) {
            int from = g * GROUP * Lanes.WIDTH;
            int to = g * Lanes.WIDTH;
            ImportanceWeights.sums(tile.w, from, GROUP, tile.sum, to);
            tile.symmetric.lanes(tile.x, tile.w, from, GROUP, HALF, tile.scale, tile.inverse, to);
        }
        tile.symmetric.lanes(tile.scale, tile.sum, 0, GROUPS, SCALE_HALF, tile.d, tile.inverseD, 0);
        SymmetricSearch.levels(tile.scale, 0, GROUPS, SCALE_HALF, tile.inverseD, 0, tile.codes);
    }

    /** Without importance: the codes of the sub-blocks' scales and the scale of scales. */
    private static void codes(Tile tile) {
        Extremes.lanes(tile.scale, 0, GROUPS, tile.d, 0);
        FloatVector extreme = FloatVector.fromArray(Lanes.FLOATS, tile.d, 0);
        FloatVector inverse = FloatVector.broadcast(Lanes.FLOATS, -SCALE_HALF).div(extreme);
        FloatVector.broadcast(Lanes.FLOATS, 1f)
                .div(inverse)
                .blend(0f, extreme.compare(VectorOperators.EQ, 0f))
                .intoArray(tile.d, 0);
        VectorMask<Integer> some = extreme.abs().reinterpretAsInts().compare(VectorOperators.NE, 0);
        for (int g = 0; g < GROUPS * Lanes.WIDTH; g += Lanes.WIDTH) {
            IntVector code = inverse.mul(FloatVector.fromArray(Lanes.FLOATS, tile.scale, g))
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .lanewise(VectorOperators.LSHL, 24)
                    .lanewise(VectorOperators.ASHR, 24)
                    .max(-SCALE_HALF)
                    .min(SCALE_HALF - 1)
                    .add(SCALE_HALF);
            IntVector.zero(Lanes.INTS).blend(code, some).intoArray(tile.codes, g);
        }
    }

    /** Scales as stored: codes times the stored d, into {@code tile.sum}. */
    private static void scales(Tile tile) {
        for (int lane = 0; lane < Lanes.WIDTH; lane++) {
            tile.stored[lane] = Binary16.fromFloat(tile.d[lane]);
            tile.d[lane] = Binary16.toFloat(tile.stored[lane]);
        }
        FloatVector d = FloatVector.fromArray(Lanes.FLOATS, tile.d, 0);
        for (int g = 0; g < GROUPS * Lanes.WIDTH; g += Lanes.WIDTH) {
            // The code as a float, by way of the mantissa.
            FloatVector code = IntVector.fromArray(Lanes.INTS, tile.codes, g)
                    .add(0x4b400000 - SCALE_HALF)
                    .reinterpretAsFloats()
                    .sub(Lanes.ROUND);
            d.mul(code).intoArray(tile.sum, g);
        }
    }

    /** With importance: the search's levels, for sub-blocks whose stored scale is zero. */
    private static void keepLevels(Tile tile) {
        for (int g = 0; g < GROUPS; g++) {
            SymmetricSearch.levels(
                    tile.x, g * GROUP * Lanes.WIDTH, GROUP, HALF, tile.inverse, g * Lanes.WIDTH, tile.levels);
        }
    }

    /** Without importance: the descent's levels, for sub-blocks whose stored scale is zero. */
    private static void keepLevels(Tile tile, float[] x, int at, int count) {
        byte[] levels = new byte[GROUP];
        for (int g = 0; g < GROUPS; g++) {
            for (int lane = 0; lane < count; lane++) {
                if (tile.sum[g * Lanes.WIDTH + lane] == 0) {
                    ThreeBitDescent.scalar(x, at + lane * ELEMENTS + g * GROUP, levels, 0);
                    for (int i = 0; i < GROUP; i++) {
                        tile.levels[(g * GROUP + i) * Lanes.WIDTH + lane] = levels[i];
                    }
                }
            }
        }
    }

    /** Levels to words: word k holds bytes 4k to 4k + 3 of the block. */
    private static void pack(int[] levels, int[] words) {
        for (int k = 0; k < 16; k++) {
            int at = (128 * (k / 8) + 4 * (k % 8)) * Lanes.WIDTH;
            IntVector q0 = Lanes.bytes(levels, at);
            IntVector q1 = Lanes.bytes(levels, at + 32 * Lanes.WIDTH);
            IntVector q2 = Lanes.bytes(levels, at + 64 * Lanes.WIDTH);
            IntVector q3 = Lanes.bytes(levels, at + 96 * Lanes.WIDTH);
            q0.and(0x03030303)
                    .or(q1.and(0x03030303).lanewise(VectorOperators.LSHL, 2))
                    .or(q2.and(0x03030303).lanewise(VectorOperators.LSHL, 4))
                    .or(q3.and(0x03030303).lanewise(VectorOperators.LSHL, 6))
                    .intoArray(words, (8 + k) * Lanes.WIDTH);
            // The high bits of this half in the low four bits; behind all words until both halves are there.
            q0.and(0x04040404)
                    .lanewise(VectorOperators.LSHR, 2)
                    .or(q1.and(0x04040404).lanewise(VectorOperators.LSHR, 1))
                    .or(q2.and(0x04040404))
                    .or(q3.and(0x04040404).lanewise(VectorOperators.LSHL, 1))
                    .intoArray(words, (24 + k) * Lanes.WIDTH);
        }
        for (int k = 0; k < 8 * Lanes.WIDTH; k += Lanes.WIDTH) {
            IntVector first = IntVector.fromArray(Lanes.INTS, words, 24 * Lanes.WIDTH + k);
            IntVector second = IntVector.fromArray(Lanes.INTS, words, 32 * Lanes.WIDTH + k);
            first.or(second.lanewise(VectorOperators.LSHL, 4)).intoArray(words, k);
        }
    }

    /** The codes of the scales to the three words behind those of the levels. */
    private static void packCodes(int[] codes, int[] words) {
        IntVector c0 = Lanes.bytes(codes, 0);
        IntVector c4 = Lanes.bytes(codes, 4 * Lanes.WIDTH);
        IntVector c8 = Lanes.bytes(codes, 8 * Lanes.WIDTH);
        IntVector c12 = Lanes.bytes(codes, 12 * Lanes.WIDTH);
        int to = SCALES_AT / 4 * Lanes.WIDTH;
        c0.and(0x0f0f0f0f)
                .or(c8.and(0x0f0f0f0f).lanewise(VectorOperators.LSHL, 4))
                .intoArray(words, to);
        c4.and(0x0f0f0f0f)
                .or(c12.and(0x0f0f0f0f).lanewise(VectorOperators.LSHL, 4))
                .intoArray(words, to + Lanes.WIDTH);
        c0.and(0x30303030)
                .lanewise(VectorOperators.LSHR, 4)
                .or(c4.and(0x30303030).lanewise(VectorOperators.LSHR, 2))
                .or(c8.and(0x30303030))
                .or(c12.and(0x30303030).lanewise(VectorOperators.LSHL, 2))
                .intoArray(words, to + 2 * Lanes.WIDTH);
    }
}
