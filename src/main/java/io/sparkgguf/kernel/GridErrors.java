package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.FLOATS;
import static io.sparkgguf.kernel.Lanes.ROUND;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;

/**
 * What rounding the same numbers to many linear grids costs: a grid in each lane, so that each one's sum is taken over the
 * numbers in order whatever the vector's width.
 *
 * <p>Weighted squares are added in float over {@link #CHUNK} numbers, then in double: the sum is within 1e-5 of the true
 * one, relatively, as long as no square leaves the range of normal floats.
 */
public final class GridErrors {
    /** Numbers whose squares are added in float. */
    static final int CHUNK = 64;

    private GridErrors() {}

    /**
     * Adds to {@code sums[g]} the sum of {@code weight * (x - rounded x)^2} for each grid, rounded as {@link LinearRounding}
     * does.
     *
     * @param weights one a number from {@code weightsAt}
     * @param scales above zero, one a grid
     * @param lows lowest level of each grid
     * @param highs highest level of each grid
     * @param grids how many there are
     */
    public static void add(
            float[] x,
            int at,
            int count,
            float[] weights,
            int weightsAt,
            float[] scales,
            float[] lows,
            float[] highs,
            int grids,
            double[] sums) {
        float[] chunk = new float[WIDTH];
        int whole = grids - grids % WIDTH;
        for (int from = 0; from < count; from += CHUNK) {
            int length = Math.min(CHUNK, count - from);
            for (int g = 0; g < whole; g += WIDTH) {
                lanes(x, at + from, length, weights, weightsAt + from, scales, lows, highs, g, chunk);
                for (int lane = 0; lane < WIDTH; lane++) {
                    sums[g + lane] += chunk[lane];
                }
            }
        }
        addScalar(x, at, count, weights, weightsAt, scales, lows, highs, whole, grids, sums);
    }

    private static void lanes(
            float[] x,
            int at,
            int count,
            float[] weights,
            int weightsAt,
            float[] scales,
            float[] lows,
            float[] highs,
            int g,
            float[] sums) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, g);
        FloatVector low = FloatVector.fromArray(FLOATS, lows, g);
        FloatVector high = FloatVector.fromArray(FLOATS, highs, g);
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < count; i++) {
            FloatVector v = FloatVector.broadcast(FLOATS, x[at + i]);
            FloatVector level = v.div(scale).max(low).min(high).add(ROUND).sub(ROUND);
            FloatVector error = v.sub(level.mul(scale));
            sum = sum.add(error.mul(error).mul(weights[weightsAt + i]));
        }
        sum.intoArray(sums, 0);
    }

    static void addScalar(
            float[] x,
            int at,
            int count,
            float[] weights,
            int weightsAt,
            float[] scales,
            float[] lows,
            float[] highs,
            int firstGrid,
            int grids,
            double[] sums) {
        for (int g = firstGrid; g < grids; g++) {
            for (int from = 0; from < count; from += CHUNK) {
                float sum = 0;
                for (int i = from; i < Math.min(count, from + CHUNK); i++) {
                    float v = x[at + i];
                    float level = LinearRounding.level(v, scales[g], (int) lows[g], (int) highs[g]);
                    float error = v - level * scales[g];
                    sum += error * error * weights[weightsAt + i];
                }
                sums[g] += sum;
            }
        }
    }
}
