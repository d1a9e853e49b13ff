package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Q6_K: super-blocks of 256, sixteen sub-blocks of 16 with 8-bit scales, levels -32 to 31.
 *
 * <p>Bytes: 128 of the levels' low four bits, 64 of their high two, 16 scales, one binary16. Errors weigh x², or the
 * importance alone.
 *
 * <p>Source: quantize_row_q6_K_ref and quantize_row_q6_K_impl of ggml.
 */
public final class Q6KEncoder {
    private static final int ELEMENTS = 256;
    private static final int GROUPS = 16;
    private static final int GROUP = 16;
    private static final int HALF = 32;
    private static final int BYTES = 210;
    private static final int HIGH_AT = 128;
    private static final int SCALES_AT = 192;
    private static final int D_AT = 208;

    private Q6KEncoder() {}

    /**
     * Encodes consecutive super-blocks; the scalar definition.
     *
     * @param x 256 weights a super-block, from {@code at}
     * @param blocks super-blocks, whole rows
     * @param blocksPerRow super-blocks of a row
     * @param importance null, or one number a column, from {@code importanceAt}
     * @param out receives 210 bytes a super-block, from {@code outAt}
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
        for (int b = 0; b < blocks; b++) {
            int from = at + b * ELEMENTS;
            int to = outAt + b * BYTES;
            if (importance == null) {
                ImportanceWeights.scalar(x, from, ELEMENTS, 0, null, 0, weights);
            } else {
                System.arraycopy(importance, importanceAt + b % blocksPerRow * ELEMENTS, weights, 0, ELEMENTS);
            }
            for (int g = 0; g < GROUPS; g++) {
                int i = g * GROUP;
                scales[g] = SymmetricSearch.scalar(x, from + i, GROUP, HALF, weights, i, levels, i);
            }
            float extreme = Extremes.scalar(scales, 0, GROUPS);
            if (Math.abs(extreme) < SymmetricSearch.SMALLEST) {
                Arrays.fill(out, to, to + BYTES, (byte) 0);
                continue;
            }
            float inverse = -128f / extreme;
            short d = Binary16.fromFloat(1 / inverse);
            for (int g = 0; g < GROUPS; g++) {
                byte code = (byte) Math.min(127, NearestInt.nearest(inverse * scales[g]));
                out[to + SCALES_AT + g] = code;
                Requantizer.scalar(x, from + g * GROUP, HALF, Binary16.toFloat(d) * code, levels, g * GROUP);
            }
            for (int n = 0; n < 2; n++) {
                for (int l = 0; l < 32; l++) {
                    int q0 = levels[128 * n + l];
                    int q1 = levels[128 * n + l + 32];
                    int q2 = levels[128 * n + l + 64];
                    int q3 = levels[128 * n + l + 96];
                    out[to + 64 * n + l] = (byte) (q0 & 15 | q2 << 4);
                    out[to + 64 * n + 32 + l] = (byte) (q1 & 15 | q3 << 4);
                    out[to + HIGH_AT + 32 * n + l] = (byte) (q0 >> 4 | q1 >> 4 << 2 | q2 >> 4 << 4 | q3 >> 4 << 6);
                }
            }
            Words.putShort(out, to + D_AT, d);
        }
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
                ImportanceWeights.lanes(tile.x, ELEMENTS, tile.w);
            } else {
                Lanes.gatherCyclic(importance, importanceAt, b, blocksPerRow, ELEMENTS, tile.w);
            }
            for (int g = 0; g < GROUPS; g++) {
                tile.symmetric.lanes(
                        tile.x,
                        tile.w,
                        g * GROUP * Lanes.WIDTH,
                        GROUP,
                        HALF,
                        tile.scale,
                        tile.inverse,
                        g * Lanes.WIDTH);
            }
            codes(tile, count);
            if (Requantizer.anyZero(tile.sum, GROUPS * Lanes.WIDTH)) {
                for (int g = 0; g < GROUPS; g++) {
                    SymmetricSearch.levels(
                            tile.x, g * GROUP * Lanes.WIDTH, GROUP, HALF, tile.inverse, g * Lanes.WIDTH, tile.levels);
                }
            }
            for (int g = 0; g < GROUPS; g++) {
                Requantizer.lanes(tile.x, g * GROUP * Lanes.WIDTH, HALF, tile.sum, g * Lanes.WIDTH, tile.levels);
            }
            pack(tile.levels, tile.words);
            for (int lane = 0; lane < count; lane++) {
                int to = outAt + (b + lane) * BYTES;
                if (Float.isNaN(tile.inverseD[lane])) {
                    Arrays.fill(out, to, to + BYTES, (byte) 0);
                    continue;
                }
                tile.write(lane, 0, SCALES_AT / 4, out, to);
                for (int g = 0; g < GROUPS; g++) {
                    out[to + SCALES_AT + g] = (byte) tile.codes[g * Lanes.WIDTH + lane];
                }
                Words.putShort(out, to + D_AT, Binary16.fromFloat(tile.d[lane]));
            }
        }
    }

    /** Codes of the scales, and the scales that they and the stored d stand for, into {@code tile.sum}. */
    private static void codes(Tile tile, int count) {
        Extremes.lanes(tile.scale, 0, GROUPS, tile.d, 0);
        FloatVector extreme = FloatVector.fromArray(Lanes.FLOATS, tile.d, 0);
        FloatVector inverse = FloatVector.broadcast(Lanes.FLOATS, -128f).div(extreme);
        // A quotient by a sum of magnitudes is never NaN, so NaN can stand for a block of zeros.
        inverse.blend(Float.NaN, extreme.abs().compare(VectorOperators.LT, SymmetricSearch.SMALLEST))
                .intoArray(tile.inverseD, 0);
        for (int lane = 0; lane < Lanes.WIDTH; lane++) {
            float d = lane < count && !Float.isNaN(tile.inverseD[lane]) ? 1 / tile.inverseD[lane] : 0;
            tile.d[lane] = Binary16.toFloat(Binary16.fromFloat(d));
        }
        FloatVector d = FloatVector.fromArray(Lanes.FLOATS, tile.d, 0);
        for (int g = 0; g < GROUPS * Lanes.WIDTH; g += Lanes.WIDTH) {
            IntVector code = inverse.mul(FloatVector.fromArray(Lanes.FLOATS, tile.scale, g))
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .and(0x7fffff)
                    .sub(0x400000)
                    .min(127)
                    .lanewise(VectorOperators.LSHL, 24)
                    .lanewise(VectorOperators.ASHR, 24);
            code.intoArray(tile.codes, g);
            // The code as a float, by way of the mantissa.
            FloatVector c = code.add(0x4b400000).reinterpretAsFloats().sub(Lanes.ROUND);
            d.mul(c).intoArray(tile.sum, g);
        }
    }

    /** Levels to words: word k holds bytes 4k to 4k + 3 of the block. */
    private static void pack(int[] levels, int[] words) {
        for (int k = 0; k < 16; k++) {
            int n = k / 8;
            int at = (128 * n + 4 * (k % 8)) * Lanes.WIDTH;
            IntVector q0 = Lanes.bytes(levels, at);
            IntVector q1 = Lanes.bytes(levels, at + 32 * Lanes.WIDTH);
            IntVector q2 = Lanes.bytes(levels, at + 64 * Lanes.WIDTH);
            IntVector q3 = Lanes.bytes(levels, at + 96 * Lanes.WIDTH);
            int to = (16 * n + k % 8) * Lanes.WIDTH;
            q0.and(0x0f0f0f0f)
                    .or(q2.and(0x0f0f0f0f).lanewise(VectorOperators.LSHL, 4))
                    .intoArray(words, to);
            q1.and(0x0f0f0f0f)
                    .or(q3.and(0x0f0f0f0f).lanewise(VectorOperators.LSHL, 4))
                    .intoArray(words, to + 8 * Lanes.WIDTH);
            q0.and(0x30303030)
                    .lanewise(VectorOperators.LSHR, 4)
                    .or(q1.and(0x30303030).lanewise(VectorOperators.LSHR, 2))
                    .or(q2.and(0x30303030))
                    .or(q3.and(0x30303030).lanewise(VectorOperators.LSHL, 2))
                    .intoArray(words, (32 + k) * Lanes.WIDTH);
        }
    }
}
