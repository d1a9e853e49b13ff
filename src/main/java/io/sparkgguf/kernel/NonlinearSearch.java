package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The scale of one block of 32 on the sixteen unequal levels of IQ4_NL and IQ4_XS, by weighted least squares.
 *
 * <p>Inverse scales that put the element of largest magnitude at {@code -127 + t}, t from -7 to 7, are tried. Each fixes
 * the levels, the nearest ones; the scale that fits them best is then {@code sum(w q x) / sum(w q q)}, and the candidate of
 * the largest {@code sum(w q x)² / sum(w q q)} wins, the earlier one on ties.
 *
 * <p>Nearest means: halfway between two levels the upper one, and the uppermost for NaN.
 *
 * <p>Source: quantize_row_iq4_nl_impl of ggml; operations and their order are its own, in float without fused
 * multiply-add. Its binary search with two subtractions chooses as a comparison with the midpoints does, because those
 * subtractions are exact near the midpoints.
 */
final class NonlinearSearch {
    /** Elements of a block. */
    static final int ELEMENTS = 32;

    private static final int TRIES = 7;
    private static final int CANDIDATES = 1 + 2 * TRIES + 1;
    /** Tries that the vector form treats at once. */
    private static final int AT_ONCE = 3;

    /** The levels, ascending. */
    static final int[] LEVELS = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    private final float[] extreme = new float[Lanes.WIDTH];
    private final float[] factor = new float[Lanes.WIDTH];
    private final float[] lower = new float[ELEMENTS * Lanes.WIDTH];
    private final float[] upper = new float[ELEMENTS * Lanes.WIDTH];
    private final float[] midpoint = new float[ELEMENTS * Lanes.WIDTH];
    private final float[] sumsXQ = new float[CANDIDATES * Lanes.WIDTH];
    private final float[] sumsQQ = new float[CANDIDATES * Lanes.WIDTH];

    /** The index of the level nearest to v. */
    static int nearest(float v) {
        int index = LEVELS.length - 1;
        while (index > 0 && v < (LEVELS[index - 1] + LEVELS[index]) * 0.5f) {
            index--;
        }
        return index;
    }

    /** The scale of one block; the scalar definition. Zero if all its magnitudes are below {@link SymmetricSearch#SMALLEST}. */
    static float scalar(float[] x, int at, float[] weights, int weightsAt) {
        float extreme = Extremes.scalar(x, at, ELEMENTS);
        if (Math.abs(extreme) < SymmetricSearch.SMALLEST) {
            return 0;
        }
        float scale = 0;
        float best = 0;
        for (int c = -1 - TRIES; c <= TRIES; c++) {
            boolean first = c < -TRIES;
            float inverse = first ? 1 / (-extreme / LEVELS[0]) : (c + LEVELS[0]) / extreme;
            float sumXQ = 0;
            float sumQQ = 0;
            for (int i = 0; i < ELEMENTS; i++) {
                float q = LEVELS[nearest(inverse * x[at + i])];
                float w = weights[weightsAt + i];
                sumXQ += w * q * x[at + i];
                sumQQ += w * q * q;
            }
            if (first) {
                scale = sumQQ > 0 ? sumXQ / sumQQ : 0;
                best = scale * sumXQ;
            } else if (sumQQ > 0 && sumXQ * sumXQ > best * sumQQ) {
                scale = sumXQ / sumQQ;
                best = scale * sumXQ;
            }
        }
        return scale;
    }

    /**
     * The scales of a tile of blocks.
     *
     * <p>The inverse scales of the tries differ by a factor of at most 134 / 120, and neighbouring midpoints by one of at
     * least 115.5 / 93.5. So over all tries an element has at most two levels, those of the first and the last, and one
     * comparison with the midpoint between them tells which.
     *
     * @param x the blocks' elements in lanes, from {@code at}
     * @param w their weights, from {@code at}
     * @param scale receives the scales, from {@code out}
     */
    void lanes(float[] x, float[] w, int at, float[] scale, int out) {
        Extremes.lanes(x, at, ELEMENTS, extreme, 0);
        first(x, w, at);
        pairs(x, at);
        for (int c = 0; c < 2 * TRIES + 1; c += AT_ONCE) {
            sums(x, w, at, c);
        }
        choose(scale, out);
    }

    /** The sums of the first candidate. */
    private void first(float[] x, float[] w, int at) {
        FloatVector inverse = FloatVector.broadcast(Lanes.FLOATS, 1f)
                .div(FloatVector.fromArray(Lanes.FLOATS, extreme, 0).neg().div(LEVELS[0]));
        inverse.intoArray(factor, 0);
        levels(x, at, lower);
        FloatVector sumXQ = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumQQ = sumXQ;
        for (int i = 0; i < ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, at + i);
            FloatVector q = FloatVector.fromArray(Lanes.FLOATS, lower, i);
            FloatVector weighted =
                    FloatVector.fromArray(Lanes.FLOATS, w, at + i).mul(q);
            sumXQ = sumXQ.add(weighted.mul(v));
            sumQQ = sumQQ.add(weighted.mul(q));
        }
        sumXQ.intoArray(sumsXQ, 0);
        sumQQ.intoArray(sumsQQ, 0);
    }

    /** The two levels of each element, and their midpoint. */
    private void pairs(float[] x, int at) {
        FloatVector e = FloatVector.fromArray(Lanes.FLOATS, extreme, 0);
        FloatVector.broadcast(Lanes.FLOATS, LEVELS[0] - TRIES).div(e).intoArray(factor, 0);
        levels(x, at, lower);
        FloatVector.broadcast(Lanes.FLOATS, LEVELS[0] + TRIES).div(e).intoArray(factor, 0);
        levels(x, at, upper);
        for (int i = 0; i < ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector p = FloatVector.fromArray(Lanes.FLOATS, lower, i);
            FloatVector q = FloatVector.fromArray(Lanes.FLOATS, upper, i);
            p.add(q).mul(0.5f).intoArray(midpoint, i);
            VectorMask<Float> ascending = p.compare(VectorOperators.LT, q);
            q.blend(p, ascending).intoArray(lower, i);
            p.blend(q, ascending).intoArray(upper, i);
        }
    }

    /** The sums of three tries. */
    private void sums(float[] x, float[] w, int at, int c) {
        FloatVector e = FloatVector.fromArray(Lanes.FLOATS, extreme, 0);
        FloatVector inverse0 =
                FloatVector.broadcast(Lanes.FLOATS, LEVELS[0] - TRIES + c).div(e);
        FloatVector inverse1 =
                FloatVector.broadcast(Lanes.FLOATS, LEVELS[0] - TRIES + c + 1).div(e);
        FloatVector inverse2 =
                FloatVector.broadcast(Lanes.FLOATS, LEVELS[0] - TRIES + c + 2).div(e);
        FloatVector sumXQ0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumXQ1 = sumXQ0;
        FloatVector sumXQ2 = sumXQ0;
        FloatVector sumQQ0 = sumXQ0;
        FloatVector sumQQ1 = sumXQ0;
        FloatVector sumQQ2 = sumXQ0;
        for (int i = 0; i < ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, at + i);
            FloatVector weight = FloatVector.fromArray(Lanes.FLOATS, w, at + i);
            FloatVector t = FloatVector.fromArray(Lanes.FLOATS, midpoint, i);
            FloatVector p = FloatVector.fromArray(Lanes.FLOATS, lower, i);
            FloatVector q = FloatVector.fromArray(Lanes.FLOATS, upper, i);
            FloatVector q0 = q.blend(p, inverse0.mul(v).compare(VectorOperators.LT, t));
            FloatVector q1 = q.blend(p, inverse1.mul(v).compare(VectorOperators.LT, t));
            FloatVector q2 = q.blend(p, inverse2.mul(v).compare(VectorOperators.LT, t));
            FloatVector weighted0 = weight.mul(q0);
            FloatVector weighted1 = weight.mul(q1);
            FloatVector weighted2 = weight.mul(q2);
            sumXQ0 = sumXQ0.add(weighted0.mul(v));
            sumXQ1 = sumXQ1.add(weighted1.mul(v));
            sumXQ2 = sumXQ2.add(weighted2.mul(v));
            sumQQ0 = sumQQ0.add(weighted0.mul(q0));
            sumQQ1 = sumQQ1.add(weighted1.mul(q1));
            sumQQ2 = sumQQ2.add(weighted2.mul(q2));
        }
        int to = (1 + c) * Lanes.WIDTH;
        sumXQ0.intoArray(sumsXQ, to);
        sumXQ1.intoArray(sumsXQ, to + Lanes.WIDTH);
        sumXQ2.intoArray(sumsXQ, to + 2 * Lanes.WIDTH);
        sumQQ0.intoArray(sumsQQ, to);
        sumQQ1.intoArray(sumsQQ, to + Lanes.WIDTH);
        sumQQ2.intoArray(sumsQQ, to + 2 * Lanes.WIDTH);
    }

    /** The best candidates by their sums. */
    private void choose(float[] scale, int out) {
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumXQ = FloatVector.fromArray(Lanes.FLOATS, sumsXQ, 0);
        FloatVector sumQQ = FloatVector.fromArray(Lanes.FLOATS, sumsQQ, 0);
        FloatVector fitted = zero.blend(sumXQ.div(sumQQ), sumQQ.compare(VectorOperators.GT, zero));
        FloatVector best = fitted.mul(sumXQ);
        for (int c = 1; c < CANDIDATES; c++) {
            sumXQ = FloatVector.fromArray(Lanes.FLOATS, sumsXQ, c * Lanes.WIDTH);
            sumQQ = FloatVector.fromArray(Lanes.FLOATS, sumsQQ, c * Lanes.WIDTH);
            VectorMask<Float> better = sumXQ.mul(sumXQ)
                    .compare(VectorOperators.GT, best.mul(sumQQ))
                    .and(sumQQ.compare(VectorOperators.GT, zero));
            FloatVector candidate = sumXQ.div(sumQQ);
            fitted = fitted.blend(candidate, better);
            best = best.blend(candidate.mul(sumXQ), better);
        }
        VectorMask<Float> none = FloatVector.fromArray(Lanes.FLOATS, extreme, 0)
                .abs()
                .compare(VectorOperators.LT, SymmetricSearch.SMALLEST);
        fitted.blend(zero, none).intoArray(scale, out);
    }

    /** The levels nearest to {@code factor * x}. */
    private void levels(float[] x, int at, float[] levels) {
        FloatVector inverse = FloatVector.fromArray(Lanes.FLOATS, factor, 0);
        FloatVector highest = FloatVector.broadcast(Lanes.FLOATS, 113);
        for (int i = 0; i < ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = inverse.mul(FloatVector.fromArray(Lanes.FLOATS, x, at + i));
            highest.blend(89f, v.compare(VectorOperators.LT, 101f))
                    .blend(69f, v.compare(VectorOperators.LT, 79f))
                    .blend(53f, v.compare(VectorOperators.LT, 61f))
                    .blend(38f, v.compare(VectorOperators.LT, 45.5f))
                    .blend(25f, v.compare(VectorOperators.LT, 31.5f))
                    .blend(13f, v.compare(VectorOperators.LT, 19f))
                    .blend(1f, v.compare(VectorOperators.LT, 7f))
                    .blend(-10f, v.compare(VectorOperators.LT, -4.5f))
                    .blend(-22f, v.compare(VectorOperators.LT, -16f))
                    .blend(-35f, v.compare(VectorOperators.LT, -28.5f))
                    .blend(-49f, v.compare(VectorOperators.LT, -42f))
                    .blend(-65f, v.compare(VectorOperators.LT, -57f))
                    .blend(-83f, v.compare(VectorOperators.LT, -74f))
                    .blend(-104f, v.compare(VectorOperators.LT, -93.5f))
                    .blend(-127f, v.compare(VectorOperators.LT, -115.5f))
                    .intoArray(levels, i);
        }
    }

    /**
     * The indices of the levels nearest to {@code inverse * x}.
     *
     * @param inverse one factor a lane, from {@code inverseAt}
     * @param indices receives the indices in lanes, from {@code at}
     */
    static void indices(float[] x, int at, float[] inverse, int inverseAt, int[] indices) {
        FloatVector factor = FloatVector.fromArray(Lanes.FLOATS, inverse, inverseAt);
        FloatVector highest = FloatVector.broadcast(Lanes.FLOATS, 15);
        for (int i = at; i < at + ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = factor.mul(FloatVector.fromArray(Lanes.FLOATS, x, i));
            highest.blend(14f, v.compare(VectorOperators.LT, 101f))
                    .blend(13f, v.compare(VectorOperators.LT, 79f))
                    .blend(12f, v.compare(VectorOperators.LT, 61f))
                    .blend(11f, v.compare(VectorOperators.LT, 45.5f))
                    .blend(10f, v.compare(VectorOperators.LT, 31.5f))
                    .blend(9f, v.compare(VectorOperators.LT, 19f))
                    .blend(8f, v.compare(VectorOperators.LT, 7f))
                    .blend(7f, v.compare(VectorOperators.LT, -4.5f))
                    .blend(6f, v.compare(VectorOperators.LT, -16f))
                    .blend(5f, v.compare(VectorOperators.LT, -28.5f))
                    .blend(4f, v.compare(VectorOperators.LT, -42f))
                    .blend(3f, v.compare(VectorOperators.LT, -57f))
                    .blend(2f, v.compare(VectorOperators.LT, -74f))
                    .blend(1f, v.compare(VectorOperators.LT, -93.5f))
                    .blend(0f, v.compare(VectorOperators.LT, -115.5f))
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .and(15)
                    .intoArray(indices, i);
        }
    }
}
