package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The scale of one block on a symmetric grid, x ≈ scale * (level - half), by weighted least squares.
 *
 * <p>Levels run from 0 to {@code 2 * half - 1}, so the negative side has one step more; the element of largest magnitude
 * is put there. Nineteen inverse scales around {@code -half / extreme} are tried. Each fixes the levels; the scale that
 * fits them best is then {@code sum(w x l) / sum(w l l)}, and the candidate of the largest {@code sum(w x l)² / sum(w l l)}
 * wins, the earlier one on ties. A block whose largest magnitude is below {@link #SMALLEST} has scale zero and levels zero.
 *
 * <p>Instead of a winner's levels the vector form keeps its inverse scale; zero stands for a block with levels zero.
 *
 * <p>Source: make_qx_quants of ggml; operations and their order are its own, in float without fused multiply-add.
 */
final class SymmetricSearch {
    /** Blocks of smaller magnitude than this are taken for zero. */
    static final float SMALLEST = 1e-15f;

    private static final int CANDIDATES = 19;
    /** Candidates, after the first, that the vector form treats at once. */
    private static final int AT_ONCE = 3;

    private static final int ROUND_BITS = 0x4b400000;

    private static final float[][] STEPS = new float[6][];

    static {
        for (int half = 4; half <= 32; half *= 2) {
            float[] steps = new float[CANDIDATES];
            steps[0] = -half;
            for (int c = 1; c < CANDIDATES; c++) {
                steps[c] = -(half + 0.1f * (c < 10 ? c - 10 : c - 9));
            }
            STEPS[Integer.numberOfTrailingZeros(half)] = steps;
        }
    }

    private final float[] extreme = new float[Lanes.WIDTH];
    private final float[] sumsXL = new float[CANDIDATES * Lanes.WIDTH];
    private final float[] sumsLL = new float[CANDIDATES * Lanes.WIDTH];

    private static float[] steps(int half) {
        return STEPS[Integer.numberOfTrailingZeros(half)];
    }

    /**
     * The scale of one block; the scalar definition.
     *
     * @param half 4, 8, 16 or 32
     * @param levels receives {@code elements} levels
     */
    static float scalar(
            float[] x, int at, int elements, int half, float[] weights, int weightsAt, byte[] levels, int levelsAt) {
        float extreme = Extremes.scalar(x, at, elements);
        if (Math.abs(extreme) < SMALLEST) {
            for (int i = 0; i < elements; i++) {
                levels[levelsAt + i] = 0;
            }
            return 0;
        }
        float scale = 0;
        float best = 0;
        float[] steps = steps(half);
        for (int c = 0; c < CANDIDATES; c++) {
            float inverse = steps[c] / extreme;
            float sumXL = 0;
            float sumLL = 0;
            for (int i = 0; i < elements; i++) {
                float l = NearestInt.level(inverse * x[at + i], half);
                float w = weights[weightsAt + i];
                sumXL += w * x[at + i] * l;
                sumLL += w * l * l;
            }
            if (c == 0) {
                scale = sumLL != 0 ? sumXL / sumLL : 0;
                best = scale * sumXL;
            } else if (sumLL > 0 && sumXL * sumXL > best * sumLL) {
                scale = sumXL / sumLL;
                best = scale * sumXL;
            } else {
                continue;
            }
            for (int i = 0; i < elements; i++) {
                levels[levelsAt + i] = (byte) (half + NearestInt.level(inverse * x[at + i], half));
            }
        }
        return scale;
    }

    /**
     * The scales of a tile of blocks.
     *
     * @param x the blocks' elements in lanes, from {@code at}
     * @param w their weights, from {@code at}
     * @param scale receives the scales, from {@code out}
     * @param inverse receives the inverse scales that give the winners' levels, or zero, from {@code out}
     */
    void lanes(float[] x, float[] w, int at, int elements, int half, float[] scale, float[] inverse, int out) {
        Extremes.lanes(x, at, elements, extreme, 0);
        first(x, w, at, elements, half);
        float[] steps = steps(half);
        for (int c = 1; c < CANDIDATES; c += AT_ONCE) {
            sums(x, w, at, elements, half, steps, c);
        }
        choose(steps, scale, inverse, out);
    }

    /** The sums w x l and w l l of the first candidate. */
    private void first(float[] x, float[] w, int at, int elements, int half) {
        FloatVector inverse =
                FloatVector.broadcast(Lanes.FLOATS, -half).div(FloatVector.fromArray(Lanes.FLOATS, extreme, 0));
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector low = IntVector.broadcast(Lanes.INTS, ROUND_BITS - half);
        IntVector high = IntVector.broadcast(Lanes.INTS, ROUND_BITS + half - 1);
        FloatVector sumXL = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumLL = sumXL;
        for (int i = at; i < at + elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(Lanes.FLOATS, w, i);
            FloatVector l = inverse.mul(v)
                    .add(round)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .reinterpretAsFloats()
                    .sub(round);
            sumXL = sumXL.add(weight.mul(v).mul(l));
            sumLL = sumLL.add(weight.mul(l).mul(l));
        }
        sumXL.intoArray(sumsXL, 0);
        sumLL.intoArray(sumsLL, 0);
    }

    /** The sums w x l and w l l of three candidates. */
    private void sums(float[] x, float[] w, int at, int elements, int half, float[] steps, int c) {
        FloatVector e = FloatVector.fromArray(Lanes.FLOATS, extreme, 0);
        FloatVector inverse0 = FloatVector.broadcast(Lanes.FLOATS, steps[c]).div(e);
        FloatVector inverse1 = FloatVector.broadcast(Lanes.FLOATS, steps[c + 1]).div(e);
        FloatVector inverse2 = FloatVector.broadcast(Lanes.FLOATS, steps[c + 2]).div(e);
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector low = IntVector.broadcast(Lanes.INTS, ROUND_BITS - half);
        IntVector high = IntVector.broadcast(Lanes.INTS, ROUND_BITS + half - 1);
        FloatVector sumXL0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumXL1 = sumXL0;
        FloatVector sumXL2 = sumXL0;
        FloatVector sumLL0 = sumXL0;
        FloatVector sumLL1 = sumXL0;
        FloatVector sumLL2 = sumXL0;
        for (int i = at; i < at + elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(Lanes.FLOATS, w, i);
            FloatVector weighted = weight.mul(v);
            FloatVector l0 = inverse0.mul(v)
                    .add(round)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .reinterpretAsFloats()
                    .sub(round);
            FloatVector l1 = inverse1.mul(v)
                    .add(round)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .reinterpretAsFloats()
                    .sub(round);
            FloatVector l2 = inverse2.mul(v)
                    .add(round)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .reinterpretAsFloats()
                    .sub(round);
            sumXL0 = sumXL0.add(weighted.mul(l0));
            sumXL1 = sumXL1.add(weighted.mul(l1));
            sumXL2 = sumXL2.add(weighted.mul(l2));
            sumLL0 = sumLL0.add(weight.mul(l0).mul(l0));
            sumLL1 = sumLL1.add(weight.mul(l1).mul(l1));
            sumLL2 = sumLL2.add(weight.mul(l2).mul(l2));
        }
        int to = c * Lanes.WIDTH;
        sumXL0.intoArray(sumsXL, to);
        sumXL1.intoArray(sumsXL, to + Lanes.WIDTH);
        sumXL2.intoArray(sumsXL, to + 2 * Lanes.WIDTH);
        sumLL0.intoArray(sumsLL, to);
        sumLL1.intoArray(sumsLL, to + Lanes.WIDTH);
        sumLL2.intoArray(sumsLL, to + 2 * Lanes.WIDTH);
    }

    /** The best candidates by their sums. */
    private void choose(float[] steps, float[] scale, float[] inverse, int out) {
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumXL = FloatVector.fromArray(Lanes.FLOATS, sumsXL, 0);
        FloatVector sumLL = FloatVector.fromArray(Lanes.FLOATS, sumsLL, 0);
        FloatVector fitted = zero.blend(sumXL.div(sumLL), sumLL.compare(VectorOperators.NE, zero));
        FloatVector best = fitted.mul(sumXL);
        FloatVector step = FloatVector.broadcast(Lanes.FLOATS, steps[0]);
        for (int c = 1; c < CANDIDATES; c++) {
            sumXL = FloatVector.fromArray(Lanes.FLOATS, sumsXL, c * Lanes.WIDTH);
            sumLL = FloatVector.fromArray(Lanes.FLOATS, sumsLL, c * Lanes.WIDTH);
            VectorMask<Float> better = sumXL.mul(sumXL)
                    .compare(VectorOperators.GT, best.mul(sumLL))
                    .and(sumLL.compare(VectorOperators.GT, zero));
            FloatVector candidate = sumXL.div(sumLL);
            fitted = fitted.blend(candidate, better);
            best = best.blend(candidate.mul(sumXL), better);
            step = step.blend(steps[c], better);
        }
        FloatVector e = FloatVector.fromArray(Lanes.FLOATS, extreme, 0);
        VectorMask<Float> none = e.abs().compare(VectorOperators.LT, SMALLEST);
        fitted.blend(zero, none).intoArray(scale, out);
        step.div(e).blend(zero, none).intoArray(inverse, out);
    }

    /**
     * The levels, 0 to {@code 2 * half - 1}, that belong to inverse scales found by {@link #lanes}.
     *
     * @param levels receives the levels in lanes, from {@code at}
     */
    static void levels(float[] x, int at, int elements, int half, float[] inverse, int inverseAt, int[] levels) {
        FloatVector factor = FloatVector.fromArray(Lanes.FLOATS, inverse, inverseAt);
        IntVector none = factor.reinterpretAsInts();
        VectorMask<Integer> some = none.compare(VectorOperators.NE, 0);
        IntVector low = IntVector.broadcast(Lanes.INTS, 0x400000 - half);
        for (int i = at; i < at + elements * Lanes.WIDTH; i += Lanes.WIDTH) {
            IntVector l = FloatVector.fromArray(Lanes.FLOATS, x, i)
                    .mul(factor)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .and(0x7fffff)
                    .sub(low)
                    .max(0)
                    .min(2 * half - 1);
            IntVector.zero(Lanes.INTS).blend(l, some).intoArray(levels, i);
        }
    }
}
