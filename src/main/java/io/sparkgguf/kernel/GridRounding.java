package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.FLOATS;
import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Weights to the nearest points of their grids: one weight of each row, each row with a scale and an offset of its own.
 *
 * <p>The value of a level is {@code scale * point - offset}, both operations rounded. A weight takes the level whose value is
 * nearest to it, distances being float32 differences. Where points are consecutive integers, two levels equally near
 * are decided by {@code (weight + offset) / scale} rounded half to even; else the lower one is taken. Weights beyond the
 * grid take its end. A scale of zero takes the level whose point is nearest to zero, the lower of two.
 *
 * <p>The quotient, rounded to a point or to between which two points it lies, may be wrong only where it is close to a
 * boundary: so the values themselves are compared, of that level and of its neighbour on the weight's side.
 *
 * <p>Weights, scales and offsets are finite. {@code levels} are bytes without sign. {@code values} may be the array of the
 * weights, at the same place.
 */
public final class GridRounding {
    private static final int ROUND_BITS = 0x4b400000;
    private static final int MAGNITUDE = 0x7fffffff;

    private GridRounding() {}

    /**
     * Rounds {@code count} weights from {@code wAt}.
     *
     * @param points ascending, at most 256
     * @param uniform whether points are consecutive integers, zero among them
     * @param levels receives the levels from {@code lAt}
     * @param values receives the values of these levels from {@code vAt}
     */
    public static void round(
            byte[] points,
            boolean uniform,
            float[] w,
            int wAt,
            int count,
            float[] scales,
            int sAt,
            float[] offsets,
            int oAt,
            byte[] levels,
            int lAt,
            float[] values,
            int vAt) {
        int whole = ByteLanes.VECTORS ? count - count % WIDTH : 0;
        if (uniform) {
            vectorUniform(points, w, wAt, whole, scales, sAt, offsets, oAt, levels, lAt, values, vAt);
        } else {
            vectorTable(points, w, wAt, whole, scales, sAt, offsets, oAt, levels, lAt, values, vAt);
        }
        scalar(
                points,
                uniform,
                w,
                wAt + whole,
                count - whole,
                scales,
                sAt + whole,
                offsets,
                oAt + whole,
                levels,
                lAt + whole,
                values,
                vAt + whole);
    }

    /** The definition of {@link #round}: the same, one row after the other. */
    public static void scalar(
            byte[] points,
            boolean uniform,
            float[] w,
            int wAt,
            int count,
            float[] scales,
            int sAt,
            float[] offsets,
            int oAt,
            byte[] levels,
            int lAt,
            float[] values,
            int vAt) {
        for (int i = 0; i < count; i++) {
            float weight = w[wAt + i];
            float scale = scales[sAt + i];
            float offset = offsets[oAt + i];
            int level =
                    uniform ? levelUniform(points, weight, scale, offset) : levelOfTable(points, weight, scale, offset);
            levels[lAt + i] = (byte) level;
            values[vAt + i] = scale * points[level] - offset;
        }
    }

    private static int levelUniform(byte[] points, float w, float scale, float offset) {
        int first = points[0];
        int last = points[points.length - 1];
        if (scale == 0) {
            return -first;
        }
        // As integers, floats from 2^23 to 2^24 count up with the number they hold, what is larger lies above them and
        // what is negative below.
        int bits = Float.floatToRawIntBits((w + offset) / scale + Lanes.ROUND);
        int point = Math.max(ROUND_BITS + first, Math.min(ROUND_BITS + last, bits)) - ROUND_BITS;
        float error = w - (scale * point - offset);
        int step = (Float.floatToRawIntBits(error) ^ Float.floatToRawIntBits(scale)) < 0 ? -1 : 1;
        int neighbour = Math.max(first, Math.min(last, point + step));
        boolean nearer = Math.abs(w - (scale * neighbour - offset)) < Math.abs(error);
        return (nearer ? neighbour : point) - first;
    }

    private static int levelOfTable(byte[] points, float w, float scale, float offset) {
        if (scale == 0) {
            return nearestToZero(points);
        }
        int bits = Float.floatToRawIntBits((w + offset) / scale + Lanes.ROUND);
        int quotient = Math.max(ROUND_BITS + Byte.MIN_VALUE, Math.min(ROUND_BITS + Byte.MAX_VALUE, bits)) - ROUND_BITS;
        int low = 0;
        while (low < points.length - 2 && quotient >= points[low + 1]) {
            low++;
        }
        float error = w - (scale * points[low] - offset);
        float errorAbove = w - (scale * points[low + 1] - offset);
        boolean beyond = (Float.floatToRawIntBits(errorAbove) ^ Float.floatToRawIntBits(scale)) >= 0;
        boolean above = beyond ? Math.abs(errorAbove) <= Math.abs(error) : Math.abs(errorAbove) < Math.abs(error);
        return above ? low + 1 : low;
    }

    private static int nearestToZero(byte[] points) {
        int level = 0;
        for (int i = 1; i < points.length; i++) {
            if (Math.abs(points[i]) < Math.abs(points[level])) {
                level = i;
            }
        }
        return level;
    }

    private static void vectorUniform(
            byte[] points,
            float[] w,
            int wAt,
            int count,
            float[] scales,
            int sAt,
            float[] offsets,
            int oAt,
            byte[] levels,
            int lAt,
            float[] values,
            int vAt) {
        int low = ROUND_BITS + points[0];
        int high = ROUND_BITS + points[points.length - 1];
        for (int i = 0; i < count; i += WIDTH) {
            FloatVector weight = FloatVector.fromArray(FLOATS, w, wAt + i);
            FloatVector scale = FloatVector.fromArray(FLOATS, scales, sAt + i);
            FloatVector offset = FloatVector.fromArray(FLOATS, offsets, oAt + i);
            IntVector scaleBits = scale.reinterpretAsInts();
            IntVector zero = scaleBits.and(MAGNITUDE).sub(1).lanewise(VectorOperators.ASHR, 31);
            // Points as the bits of 1.5 * 2^23 plus them; that of a zero scale is 0.
            IntVector point = weight.add(offset)
                    .div(scale)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .max(low)
                    .min(high)
                    .lanewise(VectorOperators.BITWISE_BLEND, IntVector.broadcast(INTS, ROUND_BITS), zero);
            FloatVector value =
                    scale.mul(point.reinterpretAsFloats().sub(Lanes.ROUND)).sub(offset);
            IntVector error = weight.sub(value).reinterpretAsInts();
            IntVector step = error.lanewise(VectorOperators.XOR, scaleBits)
                    .lanewise(VectorOperators.ASHR, 31)
                    .or(1);
            IntVector neighbour = point.add(step).max(low).min(high);
            FloatVector otherValue =
                    scale.mul(neighbour.reinterpretAsFloats().sub(Lanes.ROUND)).sub(offset);
            // Magnitudes compare as integers: all ones where the neighbour is nearer.
            IntVector nearer = weight.sub(otherValue)
                    .reinterpretAsInts()
                    .and(MAGNITUDE)
                    .sub(error.and(MAGNITUDE))
                    .lanewise(VectorOperators.ASHR, 31);
            value.reinterpretAsInts()
                    .lanewise(VectorOperators.BITWISE_BLEND, otherValue.reinterpretAsInts(), nearer)
                    .reinterpretAsFloats()
                    .intoArray(values, vAt + i);
            ByteLanes.storeBytes(
                    point.lanewise(VectorOperators.BITWISE_BLEND, neighbour, nearer)
                            .sub(low),
                    levels,
                    lAt + i);
        }
    }

    /**
     * For every level the level itself, its point, and the point above it, as bytes of an int from the highest byte but one
     * down. What lies above the last level is the last again.
     */
    private static int[] codes(byte[] points) {
        int[] codes = new int[points.length];
        for (int level = 0; level < codes.length; level++) {
            int above = points[Math.min(level + 1, codes.length - 1)];
            codes[level] = level << 16 | (points[level] & 0xff) << 8 | above & 0xff;
        }
        return codes;
    }

    private static void vectorTable(
            byte[] points,
            float[] w,
            int wAt,
            int count,
            float[] scales,
            int sAt,
            float[] offsets,
            int oAt,
            byte[] levels,
            int lAt,
            float[] values,
            int vAt) {
        int[] codes = codes(points);
        IntVector codeOfZero = IntVector.broadcast(INTS, codes[nearestToZero(points)]);
        for (int i = 0; i < count; i += WIDTH) {
            FloatVector weight = FloatVector.fromArray(FLOATS, w, wAt + i);
            FloatVector scale = FloatVector.fromArray(FLOATS, scales, sAt + i);
            FloatVector offset = FloatVector.fromArray(FLOATS, offsets, oAt + i);
            IntVector scaleBits = scale.reinterpretAsInts();
            IntVector zero = scaleBits.and(MAGNITUDE).sub(1).lanewise(VectorOperators.ASHR, 31);
            IntVector quotient = weight.add(offset).div(scale).add(Lanes.ROUND).reinterpretAsInts();
            IntVector code = IntVector.broadcast(INTS, codes[0]);
            for (int level = 1; level < codes.length - 1; level++) {
                code = code.blend(codes[level], quotient.compare(VectorOperators.GE, ROUND_BITS + points[level]));
            }
            code = code.lanewise(VectorOperators.BITWISE_BLEND, codeOfZero, zero);
            FloatVector value = value(code.lanewise(VectorOperators.LSHL, 16), scale, offset);
            FloatVector valueAbove = value(code.lanewise(VectorOperators.LSHL, 24), scale, offset);
            IntVector error = weight.sub(value).reinterpretAsInts().and(MAGNITUDE);
            IntVector errorAbove = weight.sub(valueAbove).reinterpretAsInts();
            IntVector within =
                    errorAbove.lanewise(VectorOperators.XOR, scaleBits).lanewise(VectorOperators.LSHR, 31);
            // All ones where the level above is nearer, or as near and the weight is beyond it.
            IntVector above = errorAbove
                    .and(MAGNITUDE)
                    .sub(error)
                    .sub(1)
                    .add(within)
                    .lanewise(VectorOperators.ASHR, 31)
                    .lanewise(VectorOperators.AND_NOT, zero);
            value.reinterpretAsInts()
                    .lanewise(VectorOperators.BITWISE_BLEND, valueAbove.reinterpretAsInts(), above)
                    .reinterpretAsFloats()
                    .intoArray(values, vAt + i);
            ByteLanes.storeBytes(code.lanewise(VectorOperators.LSHR, 16).sub(above), levels, lAt + i);
        }
    }

    /** The value of the points in the highest bytes. */
    private static FloatVector value(IntVector points, FloatVector scale, FloatVector offset) {
        FloatVector point = points.lanewise(VectorOperators.ASHR, 24)
                .add(ROUND_BITS)
                .reinterpretAsFloats()
                .sub(Lanes.ROUND);
        return scale.mul(point).sub(offset);
    }
}
