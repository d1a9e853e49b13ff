package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The scale and levels of blocks of 16 on the grid -4 to 3, by coordinate descent; weights are x².
 *
 * <p>The element of largest magnitude is put at -4 and all are rounded. Then up to five sweeps visit every element: the
 * level that the other elements' best scale would give it replaces its level if {@code sum(w x l)² / sum(w l l)} grows.
 * A sweep without a change is the last. The scale is {@code sum(w x l) / sum(w l l)}.
 *
 * <p>Only blocks whose extreme element is negative can change: otherwise every w x l is at most zero, and a sum of such
 * terms less one of them is never above zero, in floats neither, while a change asks for a positive sum.
 *
 * <p>Source: make_q3_quants of ggml; operations and their order are its own, in float without fused multiply-add.
 */
final class ThreeBitDescent {
    static final int ELEMENTS = 16;
    private static final int HALF = 4;
    private static final int SWEEPS = 5;

    private ThreeBitDescent() {}

    /**
     * The scale of one block; the scalar definition.
     *
     * @param levels receives 16 levels, 0 to 7; all zero if the block is
     */
    static float scalar(float[] x, int at, byte[] levels, int levelsAt) {
        float extreme = Extremes.scalar(x, at, ELEMENTS);
        if (Math.abs(extreme) < SymmetricSearch.SMALLEST) {
            Arrays.fill(levels, levelsAt, levelsAt + ELEMENTS, (byte) 0);
            return 0;
        }
        float inverse = -HALF / extreme;
        float sumXL = 0;
        float sumLL = 0;
        for (int i = 0; i < ELEMENTS; i++) {
            float v = x[at + i];
            int l = NearestInt.level(inverse * v, HALF);
            float w = v * v;
            sumXL += w * v * l;
            sumLL += w * l * l;
            levels[levelsAt + i] = (byte) l;
        }
        boolean changed = true;
        for (int sweep = 0; sweep < SWEEPS && changed; sweep++) {
            changed = false;
            for (int i = 0; i < ELEMENTS; i++) {
                float v = x[at + i];
                float w = v * v;
                int l = levels[levelsAt + i];
                float otherXL = sumXL - w * v * l;
                if (!(otherXL > 0)) {
                    continue;
                }
                float otherLL = sumLL - w * l * l;
                int other = NearestInt.level(v * otherLL / otherXL, HALF);
                if (other == l) {
                    continue;
                }
                otherXL += w * v * other;
                otherLL += w * other * other;
                if (otherLL > 0 && otherXL * otherXL * sumLL > sumXL * sumXL * otherLL) {
                    levels[levelsAt + i] = (byte) other;
                    sumXL = otherXL;
                    sumLL = otherLL;
                    changed = true;
                }
            }
        }
        for (int i = 0; i < ELEMENTS; i++) {
            levels[levelsAt + i] += HALF;
        }
        return sumLL > 0 ? sumXL / sumLL : 0;
    }

    /**
     * The scales and levels of {@code groups} tiles of blocks, one after another from 0.
     *
     * <p>The steps of a descent wait for each other, so each step is taken for all tiles before the next.
     *
     * @param x the blocks' elements in lanes
     * @param rounded receives the levels -4 to 3 in lanes, each with {@link Lanes#ROUND} added
     * @param sumsXL scratch of {@code groups * WIDTH}
     * @param sumsLL scratch of {@code groups * WIDTH}
     * @param active scratch of {@code 2 * groups}
     * @param scale receives {@code groups * WIDTH} scales
     */
    static void lanes(
            float[] x, int groups, float[] rounded, float[] sumsXL, float[] sumsLL, int[] active, float[] scale) {
        int count = 0;
        for (int g = 0; g < groups; g++) {
            Extremes.lanes(x, g * ELEMENTS * Lanes.WIDTH, ELEMENTS, sumsXL, g * Lanes.WIDTH);
            if (round(x, g, rounded, sumsXL, sumsLL)) {
                active[count++] = g;
            }
        }
        for (int sweep = 0; sweep < SWEEPS && count > 0; sweep++) {
            count = sweep(x, rounded, sumsXL, sumsLL, active, groups, count);
        }
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        for (int i = 0; i < groups * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector sumXL = FloatVector.fromArray(Lanes.FLOATS, sumsXL, i);
            FloatVector sumLL = FloatVector.fromArray(Lanes.FLOATS, sumsLL, i);
            zero.blend(sumXL.div(sumLL), sumLL.compare(VectorOperators.GT, zero))
                    .intoArray(scale, i);
        }
    }

    /** The levels 0 to 7 of {@code elements} elements in lanes that {@link #lanes} left rounded. */
    static void levels(float[] rounded, int elements, int[] levels) {
        for (int i = 0; i < elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, rounded, i)
                    .reinterpretAsInts()
                    .sub(0x4b400000 - HALF)
                    .intoArray(levels, i);
        }
    }

    /** Rounds one tile, whose extremes are in {@code sumsXL}, and takes its sums; whether any of its blocks can change. */
    private static boolean round(float[] x, int group, float[] rounded, float[] sumsXL, float[] sumsLL) {
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        FloatVector lowest = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND - HALF);
        IntVector low = lowest.reinterpretAsInts();
        IntVector high =
                FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND + HALF - 1).reinterpretAsInts();
        int at = group * ELEMENTS * Lanes.WIDTH;
        int end = at + ELEMENTS * Lanes.WIDTH;
        FloatVector extreme = FloatVector.fromArray(Lanes.FLOATS, sumsXL, group * Lanes.WIDTH);
        // A zero block gets the inverse scale zero, hence sums of zero, and then level -4: the sums less its share are
        // not above zero in the weighted sum of squares, so that no sweep changes it.
        VectorMask<Float> none = extreme.abs().compare(VectorOperators.LT, SymmetricSearch.SMALLEST);
        FloatVector inverse =
                FloatVector.broadcast(Lanes.FLOATS, -HALF).div(extreme).blend(zero, none);
        FloatVector sumXL = zero;
        FloatVector sumLL = zero;
        for (int i = at; i < end; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            FloatVector r = inverse.mul(v)
                    .add(round)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .reinterpretAsFloats();
            FloatVector l = r.sub(round);
            FloatVector w = v.mul(v);
            sumXL = sumXL.add(w.mul(v).mul(l));
            sumLL = sumLL.add(w.mul(l).mul(l));
            r.blend(lowest, none).intoArray(rounded, i);
        }
        sumXL.intoArray(sumsXL, group * Lanes.WIDTH);
        sumLL.intoArray(sumsLL, group * Lanes.WIDTH);
        return sumXL.compare(VectorOperators.GT, zero).anyTrue();
    }

    /** One sweep over the active tiles, named in {@code active[0..count)}; keeps the changed ones there, their number is returned. */
    private static int sweep(
            float[] x, float[] rounded, float[] sumsXL, float[] sumsLL, int[] active, int changedAt, int count) {
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector exponent = IntVector.broadcast(Lanes.INTS, 0x4b000000);
        IntVector mantissa = IntVector.broadcast(Lanes.INTS, 0x7fffff);
        IntVector low = IntVector.broadcast(Lanes.INTS, 0x400000 - HALF);
        IntVector high = IntVector.broadcast(Lanes.INTS, 0x400000 + HALF - 1);
        for (int k = 0; k < count; k++) {
            active[changedAt + k] = 0;
        }
        for (int i = 0; i < ELEMENTS; i++) {
            for (int k = 0; k < count; k++) {
                int group = active[k];
                int at = (group * ELEMENTS + i) * Lanes.WIDTH;
                int sumsAt = group * Lanes.WIDTH;
                FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, at);
                FloatVector old = FloatVector.fromArray(Lanes.FLOATS, rounded, at);
                FloatVector sumXL = FloatVector.fromArray(Lanes.FLOATS, sumsXL, sumsAt);
                FloatVector sumLL = FloatVector.fromArray(Lanes.FLOATS, sumsLL, sumsAt);
                FloatVector l = old.sub(round);
                FloatVector w = v.mul(v);
                FloatVector wx = w.mul(v);
                FloatVector restXL = sumXL.sub(wx.mul(l));
                FloatVector restLL = sumLL.sub(w.mul(l).mul(l));
                FloatVector other = v.mul(restLL)
                        .div(restXL)
                        .add(round)
                        .reinterpretAsInts()
                        .and(mantissa)
                        .max(low)
                        .min(high)
                        .or(exponent)
                        .reinterpretAsFloats();
                FloatVector m = other.sub(round);
                FloatVector newXL = restXL.add(wx.mul(m));
                FloatVector newLL = restLL.add(w.mul(m).mul(m));
                // Positive floats are positive integers: one comparison asks whether restXL > 0, newLL > 0 and other !=
                // old.
                IntVector positive = other.reinterpretAsInts()
                        .lanewise(VectorOperators.XOR, old.reinterpretAsInts())
                        .min(restXL.reinterpretAsInts())
                        .min(newLL.reinterpretAsInts());
                FloatVector gain = newXL.mul(newXL).mul(sumLL);
                VectorMask<Float> better = gain.compare(
                                VectorOperators.GT, sumXL.mul(sumXL).mul(newLL))
                        .and(positive.reinterpretAsFloats().compare(VectorOperators.GT, 0f));
                old.blend(other, better).intoArray(rounded, at);
                sumXL.blend(newXL, better).intoArray(sumsXL, sumsAt);
                sumLL.blend(newLL, better).intoArray(sumsLL, sumsAt);
                if (better.anyTrue()) {
                    active[changedAt + k] = 1;
                }
            }
        }
        int kept = 0;
        for (int k = 0; k < count; k++) {
            if (active[changedAt + k] != 0) {
                active[kept++] = active[k];
            }
        }
        return kept;
    }
}
