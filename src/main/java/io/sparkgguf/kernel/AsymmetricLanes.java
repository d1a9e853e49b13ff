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
 * waits for the divisions of another. Loops read constants from an array, because C2 else loads them anew in each round.
 */
final class AsymmetricLanes {
    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final VectorSpecies<Integer> INTS = Lanes.INTS;
    private static final int WIDTH = Lanes.WIDTH;

    /** Tiles that take turns: their weights fit the nearest cache. */
    private static final int TURNS = 4;

    /** The bits of {@link Lanes#ROUND}: those of ROUND + l are l more, for l up to 2^22. */
    private static final int ZERO_LEVEL = Float.floatToRawIntBits(Lanes.ROUND);

    /** Rounding by {@link Lanes#ROUND} and clamping its bits is exact below 2^22. */
    private static final float SAFE = 4e6f;

    final float[] scale;
    final float[] minimum;
    final float[] inverse;
    final float[] base;

    private final float[] low;
    private final float[] high;
    /** The lower end of the range, which moves with each accepted candidate. */
    private final float[] min;

    private final float[] sumW;
    private final float[] sumX;
    private final float[] error;
    /** Zero in the lanes whose levels all lay below {@link #SAFE} so far. */
    private final float[] unsafe;

    private final float[] trial = new float[32 * WIDTH];
    /** {@link #ZERO_LEVEL} and the largest level above it, each in all lanes. */
    private final int[] limits = new int[2 * WIDTH];

    private final AsymmetricSearch scalar = new AsymmetricSearch();
    private final float[] laneX = new float[32];
    private final float[] laneW = new float[32];

    /** @param tiles how many tiles' results it holds */
    AsymmetricLanes(int tiles) {
        int size = tiles * WIDTH;
        scale = new float[size];
        minimum = new float[size];
        inverse = new float[size];
        base = new float[size];
        low = new float[size];
        high = new float[size];
        min = new float[size];
        sumW = new float[size];
        sumX = new float[size];
        error = new float[size];
        unsafe = new float[size];
        Arrays.fill(limits, 0, WIDTH, ZERO_LEVEL);
    }

    /**
     * Searches for all blocks.
     *
     * @param x the tiles, one behind the other
     * @param w the weights' importance, laid like the tiles
     */
    void fit(float[] x, float[] w, int tiles, AsymmetricGrid grid) {
        int size = grid.elements() * WIDTH;
        Arrays.fill(limits, WIDTH, 2 * WIDTH, ZERO_LEVEL + grid.maxLevel());
        for (int from = 0; from < tiles; from += TURNS) {
            int to = Math.min(tiles, from + TURNS);
            for (int t = from; t < to; t++) {
                measure(x, w, t * size, size, t * WIDTH);
                start(x, w, t * size, size, grid.maxLevel(), grid.absolute(), t * WIDTH);
            }
            for (int c = 0; c <= grid.steps(); c++) {
                float steps = grid.stepsOfRange(c);
                for (int t = from; t < to; t++) {
                    tryCandidate(x, w, t * size, size, steps, grid.absolute(), t * WIDTH);
                }
            }
            for (int t = from; t < to; t++) {
                if (!finish(t * WIDTH)) {
                    fitEachLane(x, w, t * size, grid, t * WIDTH);
                }
            }
        }
    }

    /** The scalar search in each lane, where some lane left the range in which vectors round exactly. */
    private void fitEachLane(float[] x, float[] w, int at, AsymmetricGrid grid, int r) {
        for (int lane = 0; lane < WIDTH; lane++) {
            for (int i = 0; i < grid.elements(); i++) {
                laneX[i] = x[at + i * WIDTH + lane];
                laneW[i] = w[at + i * WIDTH + lane];
            }
            scalar.fit(laneX, laneW, 0, grid);
            scale[r + lane] = scalar.scale;
            minimum[r + lane] = scalar.minimum;
            inverse[r + lane] = scalar.inverse;
            base[r + lane] = scalar.base;
        }
    }

    private void measure(float[] x, float[] w, int at, int size, int r) {
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
        low.intoArray(this.low, r);
        high.intoArray(this.high, r);
        low.blend(0f, low.compare(GT, 0f)).intoArray(min, r);
        sumW.intoArray(this.sumW, r);
        sumX.intoArray(this.sumX, r);
    }

    /** Divides the whole range into {@code maxLevel} steps. */
    private void start(float[] x, float[] w, int at, int size, int maxLevel, boolean absolute, int r) {
        FloatVector min = FloatVector.fromArray(FLOATS, this.min, r);
        FloatVector range = FloatVector.fromArray(FLOATS, high, r).sub(min);
        FloatVector perLevel = FloatVector.broadcast(FLOATS, maxLevel).div(range);
        FloatVector scale = FloatVector.broadcast(FLOATS, 1f).div(perLevel);
        IntVector bottom = IntVector.fromArray(INTS, limits, 0);
        IntVector top = IntVector.fromArray(INTS, limits, WIDTH);
        FloatVector round = bottom.reinterpretAsFloats();
        FloatVector error = FloatVector.zero(FLOATS);
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
            IntVector bits = perLevel.mul(xi.sub(min)).add(round).reinterpretAsInts();
            FloatVector level = bits.max(bottom).min(top).reinterpretAsFloats().sub(round);
            FloatVector e = scale.mul(level).add(min).sub(xi);
            e = absolute ? e.abs() : e.mul(e);
            error = error.add(FloatVector.fromArray(FLOATS, w, at + i).mul(e));
        }
        FloatVector zero = FloatVector.zero(FLOATS);
        zero.blend(1f, perLevel.mul(range).compare(LT, SAFE).not()).intoArray(unsafe, r);
        error.intoArray(this.error, r);
        scale.intoArray(this.scale, r);
        perLevel.intoArray(inverse, r);
        min.intoArray(base, r);
    }

    private void tryCandidate(float[] x, float[] w, int at, int size, float steps, boolean absolute, int r) {
        float[] trial = this.trial;
        FloatVector min = FloatVector.fromArray(FLOATS, this.min, r);
        FloatVector range = FloatVector.fromArray(FLOATS, high, r).sub(min);
        FloatVector perLevel = FloatVector.broadcast(FLOATS, steps).div(range);
        IntVector bottom = IntVector.fromArray(INTS, limits, 0);
        IntVector top = IntVector.fromArray(INTS, limits, WIDTH);
        FloatVector round = bottom.reinterpretAsFloats();
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
        FloatVector sumW = FloatVector.fromArray(FLOATS, this.sumW, r);
        FloatVector sumX = FloatVector.fromArray(FLOATS, this.sumX, r);
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
        FloatVector best = FloatVector.fromArray(FLOATS, this.error, r);
        VectorMask<Float> better = determinant.compare(GT, 0f).and(error.compare(LT, best));
        best.blend(error, better).intoArray(this.error, r);
        FloatVector.fromArray(FLOATS, this.scale, r).blend(scale, better).intoArray(this.scale, r);
        FloatVector.fromArray(FLOATS, inverse, r).blend(perLevel, better).intoArray(inverse, r);
        FloatVector.fromArray(FLOATS, base, r).blend(min, better).intoArray(base, r);
        min.blend(fittedMin, better).intoArray(this.min, r);
        // The levels of the ends: those between them are between.
        FloatVector lowest = perLevel.mul(FloatVector.fromArray(FLOATS, low, r).sub(min));
        VectorMask<Float> safe =
                perLevel.mul(range).compare(LT, SAFE).and(lowest.abs().compare(LT, SAFE));
        zero.add(1f).blend(FloatVector.fromArray(FLOATS, unsafe, r), safe).intoArray(unsafe, r);
    }

    /** Settles the flat lanes; false when some other lane was unsafe. */
    private boolean finish(int r) {
        FloatVector low = FloatVector.fromArray(FLOATS, this.low, r);
        low = low.blend(0f, low.compare(GT, 0f));
        VectorMask<Float> flat = low.compare(EQ, FloatVector.fromArray(FLOATS, high, r));
        FloatVector unsafe = FloatVector.fromArray(FLOATS, this.unsafe, r);
        if (unsafe.blend(0f, flat).compare(GT, 0f).anyTrue()) {
            return false;
        }
        FloatVector.fromArray(FLOATS, scale, r).blend(0f, flat).intoArray(scale, r);
        FloatVector.fromArray(FLOATS, min, r).blend(low, flat).neg().intoArray(minimum, r);
        FloatVector.fromArray(FLOATS, inverse, r).blend(0f, flat).intoArray(inverse, r);
        FloatVector.fromArray(FLOATS, base, r).blend(low, flat).intoArray(base, r);
        return true;
    }
}
