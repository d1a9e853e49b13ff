package io.sparkgguf.kernel;

import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LT;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link AsymmetricSearch} for many tiles, with as many blocks each as a vector has lanes: every lane takes precisely its
 * steps. Block b of tile t has its results at {@code t * WIDTH + b}.
 *
 * <p>The best levels are not kept, only what makes them: {@link #inverse} and {@link #base}.
 *
 * <p>A few tiles try a candidate each before the next candidate's turn: the processor then works on one tile while it
 * waits for the divisions of another. What a search keeps from candidate to candidate lies in one array, constants too:
 * C2 would load those anew in each round of a loop. No method takes a vector: when C2 does not inline one that does, it
 * makes objects of its vectors.
 */
final class AsymmetricLanes {
    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final int WIDTH = Lanes.WIDTH;

    /** Tiles that take turns: their weights fit the nearest cache. */
    private static final int TURNS = 4;

    /** The bits of {@link Lanes#ROUND}: those of ROUND + l are l more, for l up to 2^22. */
    private static final int ZERO_LEVEL = Float.floatToRawIntBits(Lanes.ROUND);

    /** Rounding by {@link Lanes#ROUND} and clamping its bits is exact below 2^22. */
    private static final float SAFE = 4e6f;

    /* What a tile's search keeps, one vector each. */
    private static final int ROUND = 0;
    private static final int TOP = WIDTH;
    private static final int LOW = 2 * WIDTH;
    private static final int HIGH = 3 * WIDTH;
    private static final int FLAT = 4 * WIDTH;
    private static final int SUM_W = 5 * WIDTH;
    private static final int SUM_X = 6 * WIDTH;
    /** The lower end of the range, which moves with each accepted candidate. */
    private static final int MIN = 7 * WIDTH;

    private static final int ERROR = 8 * WIDTH;
    private static final int SCALE = 9 * WIDTH;
    private static final int INVERSE = 10 * WIDTH;
    private static final int BASE = 11 * WIDTH;
    private static final int STATE = 12 * WIDTH;

    final float[] scale;
    final float[] minimum;
    final float[] inverse;
    final float[] base;

    private final float[] state = new float[TURNS * STATE];
    private final boolean[] unsafe = new boolean[TURNS];
    private final float[] trial = new float[32 * WIDTH];

    private final AsymmetricSearch scalar = new AsymmetricSearch();
    private final float[] laneX = new float[32];
    private final float[] laneW = new float[32];

    /** @param tiles how many tiles' results it holds */
    AsymmetricLanes(int tiles) {
        scale = new float[tiles * WIDTH];
        minimum = new float[tiles * WIDTH];
        inverse = new float[tiles * WIDTH];
        base = new float[tiles * WIDTH];
        for (int turn = 0; turn < TURNS; turn++) {
            Arrays.fill(state, turn * STATE + ROUND, turn * STATE + ROUND + WIDTH, Lanes.ROUND);
        }
    }

    /**
     * Searches for all blocks.
     *
     * @param x the tiles, one behind the other
     * @param w the weights' importance, laid like the tiles
     */
    void fit(float[] x, float[] w, int tiles, AsymmetricGrid grid) {
        int size = grid.elements() * WIDTH;
        for (int from = 0; from < tiles; from += TURNS) {
            int turns = Math.min(TURNS, tiles - from);
            for (int turn = 0; turn < turns; turn++) {
                int at = (from + turn) * size;
                measure(x, w, at, size, state, turn * STATE, grid.maxLevel());
                unsafe[turn] = !start(x, w, at, size, state, turn * STATE, grid.maxLevel(), grid.absolute());
            }
            for (int c = 0; c <= grid.steps(); c++) {
                float steps = grid.stepsOfRange(c);
                for (int turn = 0; turn < turns; turn++) {
                    int at = (from + turn) * size;
                    if (!improve(x, w, at, size, trial, state, turn * STATE, steps, grid.absolute())) {
                        unsafe[turn] = true;
                    }
                }
            }
            for (int turn = 0; turn < turns; turn++) {
                if (unsafe[turn]) {
                    fitEachLane(x, w, (from + turn) * size, grid, (from + turn) * WIDTH);
                } else {
                    finish(turn * STATE, (from + turn) * WIDTH);
                }
            }
        }
    }

    /** The scalar search in each lane, where some lane left the range in which vectors round exactly. */
    private void fitEachLane(float[] x, float[] w, int at, AsymmetricGrid grid, int results) {
        for (int lane = 0; lane < WIDTH; lane++) {
            for (int i = 0; i < grid.elements(); i++) {
                laneX[i] = x[at + i * WIDTH + lane];
                laneW[i] = w[at + i * WIDTH + lane];
            }
            scalar.fit(laneX, laneW, 0, grid);
            scale[results + lane] = scalar.scale;
            minimum[results + lane] = scalar.minimum;
            inverse[results + lane] = scalar.inverse;
            base[results + lane] = scalar.base;
        }
    }

    /** The range of each block, and its weighted sums. */
    private static void measure(float[] x, float[] w, int at, int size, float[] state, int s, int maxLevel) {
        FloatVector first = FloatVector.fromArray(FLOATS, x, at);
        FloatVector low = first;
        FloatVector high = first;
        FloatVector sumW = FloatVector.fromArray(FLOATS, w, at);
        FloatVector sumX = sumW.mul(first);
        for (int i = WIDTH; i < size; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
            FloatVector wi = FloatVector.fromArray(FLOATS, w, at + i);
            low = low.blend(xi, xi.compare(LT, low));
            high = high.blend(xi, xi.compare(GT, high));
            sumW = sumW.add(wi);
            sumX = sumX.add(wi.mul(xi));
        }
        FloatVector min = low.blend(0f, low.compare(GT, 0f));
        FloatVector flat = FloatVector.zero(FLOATS).blend(1f, high.compare(EQ, min));
        // A flat block goes through the motions with a range of its own: its levels are zero, nothing is accepted.
        FloatVector elsewhere = FloatVector.zero(FLOATS).blend(1f, min.compare(EQ, 0f));
        high.blend(elsewhere, flat.compare(EQ, 1f)).intoArray(state, s + HIGH);
        IntVector.broadcast(Lanes.INTS, ZERO_LEVEL + maxLevel)
                .reinterpretAsFloats()
                .intoArray(state, s + TOP);
        low.intoArray(state, s + LOW);
        flat.intoArray(state, s + FLAT);
        min.intoArray(state, s + MIN);
        sumW.intoArray(state, s + SUM_W);
        sumX.intoArray(state, s + SUM_X);
    }

    /** Divides the whole range into {@code maxLevel} steps; false when some lane is unsafe. */
    private static boolean start(
            float[] x, float[] w, int at, int size, float[] state, int s, int maxLevel, boolean absolute) {
        FloatVector min = FloatVector.fromArray(FLOATS, state, s + MIN);
        FloatVector range = FloatVector.fromArray(FLOATS, state, s + HIGH).sub(min);
        FloatVector perLevel = FloatVector.broadcast(FLOATS, maxLevel).div(range);
        FloatVector scale = FloatVector.broadcast(FLOATS, 1f).div(perLevel);
        FloatVector round = FloatVector.fromArray(FLOATS, state, s + ROUND);
        IntVector bottom = round.reinterpretAsInts();
        IntVector top = FloatVector.fromArray(FLOATS, state, s + TOP).reinterpretAsInts();
        FloatVector error = FloatVector.zero(FLOATS);
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
            IntVector bits = perLevel.mul(xi.sub(min)).add(round).reinterpretAsInts();
            FloatVector level = bits.max(bottom).min(top).reinterpretAsFloats().sub(round);
            FloatVector e = scale.mul(level).add(min).sub(xi);
            e = absolute ? e.abs() : e.mul(e);
            error = error.add(FloatVector.fromArray(FLOATS, w, at + i).mul(e));
        }
        error.intoArray(state, s + ERROR);
        scale.intoArray(state, s + SCALE);
        perLevel.intoArray(state, s + INVERSE);
        min.intoArray(state, s + BASE);
        return perLevel.mul(range).compare(LT, SAFE).allTrue();
    }

    /** Tries one candidate in every lane, keeps it where it is better; false when some lane is unsafe. */
    private static boolean improve(
            float[] x,
            float[] w,
            int at,
            int size,
            float[] trial,
            float[] state,
            int s,
            float steps,
            boolean absolute) {
        FloatVector min = FloatVector.fromArray(FLOATS, state, s + MIN);
        FloatVector range = FloatVector.fromArray(FLOATS, state, s + HIGH).sub(min);
        FloatVector perLevel = FloatVector.broadcast(FLOATS, steps).div(range);
        // The levels of the ends: those between them are between.
        FloatVector lowest =
                perLevel.mul(FloatVector.fromArray(FLOATS, state, s + LOW).sub(min));
        boolean safe = lowest.abs().add(perLevel.mul(range)).compare(LT, SAFE).allTrue();
        FloatVector round = FloatVector.fromArray(FLOATS, state, s + ROUND);
        IntVector bottom = round.reinterpretAsInts();
        IntVector top = FloatVector.fromArray(FLOATS, state, s + TOP).reinterpretAsInts();
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector sumL = zero;
        FloatVector sumL2 = zero;
        FloatVector sumXL = zero;
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
            IntVector bits = perLevel.mul(xi.sub(min)).add(round).reinterpretAsInts();
            FloatVector level = bits.max(bottom).min(top).reinterpretAsFloats().sub(round);
            level.intoArray(trial, i);
            FloatVector wl = FloatVector.fromArray(FLOATS, w, at + i).mul(level);
            sumL = sumL.add(wl);
            sumL2 = sumL2.add(wl.mul(level));
            sumXL = sumXL.add(wl.mul(xi));
        }
        FloatVector sumW = FloatVector.fromArray(FLOATS, state, s + SUM_W);
        FloatVector sumX = FloatVector.fromArray(FLOATS, state, s + SUM_X);
        FloatVector determinant = sumW.mul(sumL2).sub(sumL.mul(sumL));
        FloatVector scale = sumW.mul(sumXL).sub(sumX.mul(sumL)).div(determinant);
        FloatVector fittedMin = sumL2.mul(sumX).sub(sumL.mul(sumXL)).div(determinant);
        VectorMask<Float> above = fittedMin.compare(GT, 0f);
        scale = scale.blend(sumXL.div(sumL2), above);
        fittedMin = fittedMin.blend(0f, above);
        FloatVector error = zero;
        if (absolute) {
            for (int i = 0; i < size; i += WIDTH) {
                FloatVector l = FloatVector.fromArray(FLOATS, trial, i);
                FloatVector e = scale.mul(l).add(fittedMin).sub(FloatVector.fromArray(FLOATS, x, at + i));
                error = error.add(FloatVector.fromArray(FLOATS, w, at + i).mul(e.abs()));
            }
        } else {
            for (int i = 0; i < size; i += WIDTH) {
                FloatVector l = FloatVector.fromArray(FLOATS, trial, i);
                FloatVector e = scale.mul(l).add(fittedMin).sub(FloatVector.fromArray(FLOATS, x, at + i));
                error = error.add(FloatVector.fromArray(FLOATS, w, at + i).mul(e.mul(e)));
            }
        }
        FloatVector best = FloatVector.fromArray(FLOATS, state, s + ERROR);
        VectorMask<Float> better = determinant.compare(GT, 0f).and(error.compare(LT, best));
        best.blend(error, better).intoArray(state, s + ERROR);
        FloatVector.fromArray(FLOATS, state, s + SCALE).blend(scale, better).intoArray(state, s + SCALE);
        FloatVector.fromArray(FLOATS, state, s + INVERSE)
                .blend(perLevel, better)
                .intoArray(state, s + INVERSE);
        FloatVector.fromArray(FLOATS, state, s + BASE).blend(min, better).intoArray(state, s + BASE);
        min.blend(fittedMin, better).intoArray(state, s + MIN);
        return safe;
    }

    private void finish(int s, int results) {
        VectorMask<Float> flat = FloatVector.fromArray(FLOATS, state, s + FLAT).compare(EQ, 1f);
        FloatVector.fromArray(FLOATS, state, s + SCALE).blend(0f, flat).intoArray(scale, results);
        FloatVector.fromArray(FLOATS, state, s + MIN).neg().intoArray(minimum, results);
        FloatVector.fromArray(FLOATS, state, s + INVERSE).intoArray(inverse, results);
        FloatVector.fromArray(FLOATS, state, s + BASE).intoArray(base, results);
    }
}
