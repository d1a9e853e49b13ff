package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The gradient of rounding onto grids by {@link GridRounding}, one weight of each row, as if rounding were the identity
 * within the grid: with {@code x = (w + offset) / scale} and v the value that w was rounded to.
 *
 * <p>Where x is within the grid, {@code dv/dw = 1}, {@code dv/dscale = (v - w) / scale}, {@code dv/doffset = 0}. Beyond it
 * {@code dv/dw = 0}, {@code dv/dscale = (v + offset) / scale}, {@code dv/doffset = -1}. A scale of zero counts as beyond, and
 * has no gradient itself. Sources: Bengio et al., straight-through estimator (2013); Esser et al., Learned step size
 * quantization (2020), equation 3.
 */
public final class StraightThrough {
    private StraightThrough() {}

    /**
     * Takes the gradients of {@code count} values to weights, scales and offsets.
     *
     * @param values what the weights were rounded to, laid out like them from {@code at}
     * @param d gradients of the values, from {@code at}; become those of the weights
     * @param scales from {@code gridAt}; the offsets and both sums likewise
     * @param low the least x within the grid
     * @param high the largest
     * @param dScales has the gradients of the scales added to it
     * @param dOffsets has the gradients of the offsets added to it
     */
    public static void gradient(
            float[] w,
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
            FloatVector scale = FloatVector.fromArray(Lanes.FLOATS, scales, gridAt + i);
            FloatVector offset = FloatVector.fromArray(Lanes.FLOATS, offsets, gridAt + i);
            FloatVector given = FloatVector.fromArray(Lanes.FLOATS, d, at + i);
            FloatVector weight = FloatVector.fromArray(Lanes.FLOATS, w, at + i).add(offset);
            FloatVector value =
                    FloatVector.fromArray(Lanes.FLOATS, values, at + i).add(offset);
            FloatVector x = weight.div(scale);
            VectorMask<Float> within = x.compare(VectorOperators.GE, low).and(x.compare(VectorOperators.LE, high));
            FloatVector passed = zero.blend(given, within);
            FloatVector change =
                    value.sub(zero.blend(weight, within)).div(scale).mul(given);
            FloatVector.fromArray(Lanes.FLOATS, dScales, gridAt + i)
                    .add(change.blend(zero, scale.compare(VectorOperators.EQ, 0f)))
                    .intoArray(dScales, gridAt + i);
            FloatVector.fromArray(Lanes.FLOATS, dOffsets, gridAt + i)
                    .sub(given.sub(passed))
                    .intoArray(dOffsets, gridAt + i);
            passed.intoArray(d, at + i);
        }
        scalar(w, values, d, at, i, count, scales, offsets, gridAt, low, high, dScales, dOffsets);
    }

    static void scalar(
            float[] w,
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
            float scale = scales[gridAt + i];
            float offset = offsets[gridAt + i];
            float given = d[at + i];
            float weight = w[at + i] + offset;
            float value = values[at + i] + offset;
            float x = weight / scale;
            boolean within = x >= low && x <= high;
            float passed = within ? given : 0f;
            float change = (value - (within ? weight : 0f)) / scale * given;
            dScales[gridAt + i] += scale == 0f ? 0f : change;
            dOffsets[gridAt + i] -= given - passed;
            d[at + i] = passed;
        }
    }
}
