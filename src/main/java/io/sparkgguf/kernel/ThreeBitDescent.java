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

    private static final int GROUPS = 16;
    private static final int ROUND_BITS = 0x4b400000;
    /** The bits of 2^23, whose mantissa counts by ones. */
    private static final int EXPONENT = 0x4b000000;

    // The state of an active block: where each number lies.
    /** The levels, each with {@link Lanes#ROUND} added. */
    private static final int LEVELS_AT = 0;
    /** What the last pass has found for each element: another level, and the sums with it; behind them the present sums. */
    private static final int OTHERS_AT = ELEMENTS;

    private static final int OTHERS_XL_AT = 2 * ELEMENTS;
    private static final int OTHERS_LL_AT = 3 * ELEMENTS + 1;
    /** Which element the last pass changes, in a mantissa; 16 for none. */
    private static final int PLACE_AT = 4 * ELEMENTS + 2;
    /** The element to ask first in the next pass, plus 16 times the sweep in which that is, as bits. */
    private static final int NEXT_AT = PLACE_AT + 1;

    private static final int STATE = NEXT_AT + 1;

    private static final int[] LANE = new int[Lanes.WIDTH];

    static {
        Arrays.setAll(LANE, lane -> lane);
    }

    /** Inverse scales of all blocks in lanes; before that their extremes. */
    private final float[] inverse = new float[GROUPS * Lanes.WIDTH];
    /** The sums w x l of all blocks in lanes. */
    private final float[] sumsXL = new float[GROUPS * Lanes.WIDTH];
    /** The sums w l l of all blocks in lanes. */
    private final float[] sumsLL = new float[GROUPS * Lanes.WIDTH];
    /** Above zero for blocks that may change. */
    private final int[] mayChange = new int[GROUPS * Lanes.WIDTH];

    /** The places in lanes of the blocks that may change: of the active blocks. */
    private final int[] places = new int[GROUPS * Lanes.WIDTH + 1];
    /** Where they lie in the source. */
    private final int[] starts = new int[GROUPS * Lanes.WIDTH];
    /** Their states, one after another. */
    private final float[] states = new float[GROUPS * Lanes.WIDTH * STATE];
    /** Which of them still change. */
    private final int[] changing = new int[GROUPS * Lanes.WIDTH];

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
     * The scales of tiles of blocks.
     *
     * <p>The steps of a sweep wait for each other. Instead each pass here asks all elements of a block at once, with the sums
     * as they stand, whether they would change, and makes the change that is next in the order of the sweeps: behind the
     * last changed element, or else from the start in the next sweep. The elements that it passes over would not have
     * changed. Most blocks do not change at all, which is found out with the blocks in lanes.
     *
     * @param x groups of blocks in lanes, one tile after another from 0
     * @param groups how many tiles, 16 at most
     * @param source where the blocks lie one after another: that of lane b and tile g from {@code at + (b * groups + g) * 16}
     * @param lanes how many lanes of each tile hold blocks of their own
     * @param scale receives one scale a block, in lanes
     */
    void lanes(float[] x, int groups, float[] source, int at, int lanes, float[] scale) {
        for (int g = 0; g < groups; g++) {
            Extremes.lanes(x, g * ELEMENTS * Lanes.WIDTH, ELEMENTS, inverse, g * Lanes.WIDTH);
            sums(x, g);
            findActive(x, g);
        }
        int count = 0;
        for (int g = 0; g < groups; g++) {
            for (int k = g * Lanes.WIDTH; k < g * Lanes.WIDTH + lanes; k++) {
                places[count] = k;
                count += -mayChange[k] >>> 31;
            }
        }
        start(groups, source, at, count);
        int left = count;
        while (left > 0) {
            left = pass(source, left);
        }
        for (int a = 0; a < count; a++) {
            sumsXL[places[a]] = states[a * STATE + OTHERS_XL_AT + ELEMENTS];
            sumsLL[places[a]] = states[a * STATE + OTHERS_LL_AT + ELEMENTS];
        }
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        for (int i = 0; i < groups * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector sumXL = FloatVector.fromArray(Lanes.FLOATS, sumsXL, i);
            FloatVector sumLL = FloatVector.fromArray(Lanes.FLOATS, sumsLL, i);
            zero.blend(sumXL.div(sumLL), sumLL.compare(VectorOperators.GT, zero))
                    .intoArray(scale, i);
        }
    }

    /** The sums of one tile after rounding; its extremes are in {@code inverse}, which receives the inverse scales. */
    private void sums(float[] x, int group) {
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector low = IntVector.broadcast(Lanes.INTS, ROUND_BITS - HALF);
        IntVector high = IntVector.broadcast(Lanes.INTS, ROUND_BITS + HALF - 1);
        FloatVector extreme = FloatVector.fromArray(Lanes.FLOATS, inverse, group * Lanes.WIDTH);
        // A block of zeros gets the inverse scale zero, and so sums of zero: it does not change.
        FloatVector factor = FloatVector.broadcast(Lanes.FLOATS, -HALF)
                .div(extreme)
                .blend(0f, extreme.abs().compare(VectorOperators.LT, SymmetricSearch.SMALLEST));
        factor.intoArray(inverse, group * Lanes.WIDTH);
        FloatVector sumXL = FloatVector.zero(Lanes.FLOATS);
        FloatVector sumLL = sumXL;
        int at = group * ELEMENTS * Lanes.WIDTH;
        for (int i = at; i < at + ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            FloatVector l = factor.mul(v)
                    .add(round)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .reinterpretAsFloats()
                    .sub(round);
            FloatVector w = v.mul(v);
            sumXL = sumXL.add(w.mul(v).mul(l));
            sumLL = sumLL.add(w.mul(l).mul(l));
        }
        sumXL.intoArray(sumsXL, group * Lanes.WIDTH);
        sumLL.intoArray(sumsLL, group * Lanes.WIDTH);
    }

    /** Marks in {@code mayChange}, by a positive number, the blocks of one tile of which an element has a better level. */
    private void findActive(float[] x, int group) {
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector exponent = IntVector.broadcast(Lanes.INTS, 0x4b000000);
        IntVector mantissa = IntVector.broadcast(Lanes.INTS, 0x7fffff);
        IntVector low = IntVector.broadcast(Lanes.INTS, ROUND_BITS - HALF);
        IntVector high = IntVector.broadcast(Lanes.INTS, ROUND_BITS + HALF - 1);
        FloatVector factor = FloatVector.fromArray(Lanes.FLOATS, inverse, group * Lanes.WIDTH);
        FloatVector sumXL = FloatVector.fromArray(Lanes.FLOATS, sumsXL, group * Lanes.WIDTH);
        FloatVector sumLL = FloatVector.fromArray(Lanes.FLOATS, sumsLL, group * Lanes.WIDTH);
        IntVector found = IntVector.zero(Lanes.INTS);
        int at = group * ELEMENTS * Lanes.WIDTH;
        for (int i = at; i < at + ELEMENTS * Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, i);
            IntVector old =
                    factor.mul(v).add(round).reinterpretAsInts().max(low).min(high);
            FloatVector l = old.reinterpretAsFloats().sub(round);
            FloatVector w = v.mul(v);
            FloatVector restXL = sumXL.sub(w.mul(v).mul(l));
            IntVector other = v.mul(sumLL.sub(w.mul(l).mul(l)))
                    .div(restXL)
                    .add(round)
                    .reinterpretAsInts()
                    .and(mantissa)
                    .or(exponent)
                    .max(low)
                    .min(high);
            // A float above zero is an integer above zero, so this is positive if the level differs and the sum allows
            // it.
            found = found.max(other.lanewise(VectorOperators.XOR, old).min(restXL.reinterpretAsInts()));
        }
        found.intoArray(mayChange, group * Lanes.WIDTH);
    }

    /** The states of the active blocks before the first pass. */
    private void start(int groups, float[] source, int at, int count) {
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        IntVector low = IntVector.broadcast(Lanes.INTS, ROUND_BITS - HALF);
        IntVector high = IntVector.broadcast(Lanes.INTS, ROUND_BITS + HALF - 1);
        for (int a = 0; a < count; a++) {
            int k = places[a];
            int from = at + (k % Lanes.WIDTH * groups + k / Lanes.WIDTH) * ELEMENTS;
            FloatVector factor = FloatVector.broadcast(Lanes.FLOATS, inverse[k]);
            for (int i = 0; i < ELEMENTS; i += Lanes.WIDTH) {
                factor.mul(FloatVector.fromArray(Lanes.FLOATS, source, from + i))
                        .add(round)
                        .reinterpretAsInts()
                        .max(low)
                        .min(high)
                        .reinterpretAsFloats()
                        .intoArray(states, a * STATE + LEVELS_AT + i);
            }
            starts[a] = from;
            changing[a] = a;
            states[a * STATE + OTHERS_XL_AT + ELEMENTS] = sumsXL[k];
            states[a * STATE + OTHERS_LL_AT + ELEMENTS] = sumsLL[k];
            states[a * STATE + PLACE_AT] = 0x1p23f + ELEMENTS;
            states[a * STATE + NEXT_AT] = 0x1p23f;
        }
    }

    /**
     * Finds the next change of each of the first {@code count} blocks of {@code changing} and keeps those that have one;
     * returns their number.
     *
     * <p>The change is made at the start of the next pass, when what this pass stores has long arrived in memory. There is no
     * branch on whether there is one, which could not be foreseen.
     */
    private int pass(float[] source, int count) {
        FloatVector round = FloatVector.broadcast(Lanes.FLOATS, Lanes.ROUND);
        FloatVector none = FloatVector.broadcast(Lanes.FLOATS, 0x1p23f + ELEMENTS);
        IntVector lanes = IntVector.fromArray(Lanes.INTS, LANE, 0);
        IntVector mantissa = IntVector.broadcast(Lanes.INTS, 0x7fffff);
        IntVector exponent = IntVector.broadcast(Lanes.INTS, EXPONENT);
        IntVector low = IntVector.broadcast(Lanes.INTS, ROUND_BITS - HALF);
        IntVector high = IntVector.broadcast(Lanes.INTS, ROUND_BITS + HALF - 1);
        float[] state = states;
        int kept = 0;
        for (int c = 0; c < count; c++) {
            int a = changing[c];
            int from = starts[a];
            int base = a * STATE;
            float place = state[base + PLACE_AT];
            int next = Float.floatToRawIntBits(state[base + NEXT_AT]);
            float xl = state[base + OTHERS_XL_AT + Float.floatToRawIntBits(place) - EXPONENT];
            float ll = state[base + OTHERS_LL_AT + Float.floatToRawIntBits(place) - EXPONENT];
            FloatVector sumXL = FloatVector.broadcast(Lanes.FLOATS, xl);
            FloatVector sumLL = FloatVector.broadcast(Lanes.FLOATS, ll);
            int distance = ELEMENTS;
            for (int i = 0; i < ELEMENTS; i += Lanes.WIDTH) {
                FloatVector v = FloatVector.fromArray(Lanes.FLOATS, source, from + i);
                FloatVector old = FloatVector.fromArray(Lanes.FLOATS, state, base + LEVELS_AT + i)
                        .blend(
                                FloatVector.fromArray(Lanes.FLOATS, state, base + OTHERS_AT + i),
                                lanes.add(EXPONENT + i).reinterpretAsFloats().compare(VectorOperators.EQ, place));
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
                        .or(exponent)
                        .max(low)
                        .min(high)
                        .reinterpretAsFloats();
                FloatVector m = other.sub(round);
                FloatVector otherXL = restXL.add(wx.mul(m));
                FloatVector otherLL = restLL.add(w.mul(m).mul(m));
                old.intoArray(state, base + LEVELS_AT + i);
                other.intoArray(state, base + OTHERS_AT + i);
                otherXL.intoArray(state, base + OTHERS_XL_AT + i);
                otherLL.intoArray(state, base + OTHERS_LL_AT + i);
                // Floats above zero are integers above zero: one comparison asks for restXL, otherLL and a new level.
                VectorMask<Float> better = other.reinterpretAsInts()
                        .lanewise(VectorOperators.XOR, old.reinterpretAsInts())
                        .min(restXL.reinterpretAsInts())
                        .min(otherLL.reinterpretAsInts())
                        .reinterpretAsFloats()
                        .compare(VectorOperators.GT, 0f)
                        .and(otherXL.mul(otherXL)
                                .mul(sumLL)
                                .compare(VectorOperators.GT, sumXL.mul(sumXL).mul(otherLL)));
                FloatVector behind =
                        lanes.sub(next - i).and(ELEMENTS - 1).or(exponent).reinterpretAsFloats();
                int first = none.blend(behind, better).reinterpretAsInts().reduceLanes(VectorOperators.MIN);
                distance = Math.min(distance, first - EXPONENT);
            }
            int element = next + distance;
            int some = (distance - ELEMENTS & element - EXPONENT - SWEEPS * ELEMENTS) >>> 31;
            state[base + PLACE_AT] = Float.intBitsToFloat(EXPONENT + element % ELEMENTS);
            state[base + NEXT_AT] = Float.intBitsToFloat(element + 1);
            state[base + OTHERS_XL_AT + ELEMENTS] = xl;
            state[base + OTHERS_LL_AT + ELEMENTS] = ll;
            changing[kept] = a;
            kept += some;
        }
        return kept;
    }
}
