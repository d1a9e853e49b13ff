package io.sparkgguf.quant.linear;

import io.sparkgguf.kernel.Halves;
import io.sparkgguf.kernel.LinearRounding;
import java.io.Serializable;

/**
 * The values that numbers are rounded to: {@code scale * level}, whole levels from {@code low} to {@code high}. Zero is
 * one of them. What is stored for a number is {@code level - low}.
 *
 * @param scale the step, in the unit of the weights; 0 when all that share it are zero
 * @param low the lowest level, zero or less; its negative is the zero point
 * @param high the highest level, zero or more
 */
public record LinearGrid(float scale, int low, int high) implements Serializable {
    private static final float LARGEST_HALF = 65504f;

    /** Symmetric, levels up to {@code 2^(bits - 1) - 1} on both sides: {@code scale = limit / highest level}. */
    static LinearGrid symmetric(int bits, float limit, boolean half) {
        int high = (1 << bits - 1) - 1;
        return new LinearGrid(scale((double) limit / high, high, half), -high, high);
    }

    /**
     * Asymmetric, {@code 2^bits} levels: {@code scale = (highest - lowest) / (2^bits - 1)}, zero point {@code
     * round(-lowest / scale)}.
     *
     * @param lowest zero or less
     * @param highest zero or more
     */
    static LinearGrid asymmetric(int bits, float lowest, float highest, boolean half) {
        int levels = (1 << bits) - 1;
        float scale = scale(((double) highest - lowest) / levels, levels, half);
        int zeroPoint = scale == 0 ? 0 : (int) Math.min(levels, Math.rint(-lowest / (double) scale));
        return new LinearGrid(scale, -zeroPoint, levels - zeroPoint);
    }

    /**
     * As it is stored: the nearest float32, or the next binary16 above; never zero for a range, and never so large that
     * one of so many levels would be infinite.
     */
    private static float scale(double exact, int levels, boolean half) {
        float nearest = Math.min((float) exact, Math.nextDown(Float.MAX_VALUE / levels));
        if (!half) {
            // Floats so small are coarse: the range would no longer be covered.
            return nearest < Float.MIN_NORMAL && nearest < exact ? Math.nextUp(nearest) : nearest;
        }
        int bits = Halves.toF16(Math.min(nearest, LARGEST_HALF));
        float stored = Halves.fromF16(bits);
        return stored < exact && stored < LARGEST_HALF ? Halves.fromF16(bits + 1) : stored;
    }

    /** The number that is stored where a weight is zero. */
    public int zeroPoint() {
        return -low;
    }

    /** What is stored for a finite number, from 0. */
    public int code(float x) {
        return scale == 0 ? -low : (int) LinearRounding.level(x, scale, low, high) - low;
    }

    /** The number that a code stands for. */
    public float value(int code) {
        return (code + low) * scale;
    }

    /** Writes what {@code count} numbers become. */
    public void round(float[] x, int at, int count, float[] y, int yAt) {
        if (scale == 0) {
            java.util.Arrays.fill(y, yAt, yAt + count, 0f);
        } else {
            LinearRounding.round(x, at, count, scale, low, high, y, yAt);
        }
    }

    /** How many of {@code count} numbers lie beyond the outermost values by more than half a step. */
    public int clipped(float[] x, int at, int count) {
        return scale == 0 ? 0 : LinearRounding.clipped(x, at, count, scale, low, high);
    }
}
