package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Values of weights that are held in steps of their grids, and gradients through the rounding, one weight of each row: with z
 * a weight in steps and p the point that z was rounded to, the value is {@code v = scale p - offset}, both operations rounded.
 *
 * <p>The rounding counts as the identity within the grid and as constant beyond: {@code dv/dz = scale} or 0. For a fixed p,
 * {@code dv/dscale = p} and {@code dv/doffset = -1}. Sources: Bengio et al., straight-through estimator (2013); for step sizes
 * with levels held, Chen et al., EfficientQAT (2024), section 3.3.
 */
public final class StraightThrough {
    private StraightThrough() {}

    /**
     * Turns points into values.
     *
     * @param points {@code count} points from {@code at}; become values
     * @param scales from {@code gridAt}; the offsets likewise
     */
    public static void values(float[] points, int at, int count, float[] scales, float[] offsets, int gridAt) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, scales, gridAt + i)
                    .mul(FloatVector.fromArray(Lanes.FLOATS, points, at + i))
                    .sub(FloatVector.fromArray(Lanes.FLOATS, offsets, gridAt + i))
                    .intoArray(points, at + i);
        }
        valuesScalar(points, at, i, count, scales, offsets, gridAt);
    }

    static void valuesScalar(float[] points, int at, int from, int count, float[] scales, float[] offsets, int gridAt) {
        for (int i = from; i < count; i++) {
            float product = scales[gridAt + i] * points[at + i];
            points[at + i] = product - offsets[gridAt + i];
        }
    }

    /**
     * Takes the gradients of {@code count} values to weights, scales and offsets.
     *
     * @param z weights in steps, from {@code at}
     * @param values likewise
     * @param d gradients of the values, likewise; become those of z
     * @param scales from {@code gridAt}; the offsets and both sums likewise
     * @param low the least z within the grid
     * @param high the largest
     * @param dScales has, for each scale, the gradient times the scale itself added to it
     * @param dOffsets has the gradients of the offsets added to it
     */
    public static void gradient(
            float[] z,
            float[] values,
            float[] d,
            int at,
            int count,
            float[] scales,
            float[] offsets,
            int gridAt,
            float low,
            float high,
            float[] dScales,
            float[] dOffsets) {
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector given = FloatVector.fromArray(Lanes.FLOATS, d, at + i);
            FloatVector weight = FloatVector.fromArray(Lanes.FLOATS, z, at + i);
            VectorMask<Float> within =
                    weight.compare(VectorOperators.GE, low).and(weight.compare(VectorOperators.LE, high));
            FloatVector product = FloatVector.fromArray(Lanes.FLOATS, values, at + i)
                    .add(FloatVector.fromArray(Lanes.FLOATS, offsets, gridAt + i));
            FloatVector.fromArray(Lanes.FLOATS, dScales, gridAt + i)
                    .add(product.mul(given))
                    .intoArray(dScales, gridAt + i);
            FloatVector.fromArray(Lanes.FLOATS, dOffsets, gridAt + i).sub(given).intoArray(dOffsets, gridAt + i);
            zero.blend(given.mul(FloatVector.fromArray(Lanes.FLOATS, scales, gridAt + i)), within)
                    .intoArray(d, at + i);
        }
        scalar(z, values, d, at, i, count, scales, offsets, gridAt, low, high, dScales, dOffsets);
    }

    static void scalar(
            float[] z,
            float[] values,
            float[] d,
            int at,
            int from,
            int count,
            float[] scales,
            float[] offsets,
            int gridAt,
            float low,
            float high,
            float[] dScales,
            float[] dOffsets) {
        for (int i = from; i < count; i++) {
            float given = d[at + i];
            float weight = z[at + i];
            float product = values[at + i] + offsets[gridAt + i];
            dScales[gridAt + i] += product * given;
            dOffsets[gridAt + i] -= given;
            d[at + i] = weight >= low && weight <= high ? given * scales[gridAt + i] : 0f;
        }
    }
}
