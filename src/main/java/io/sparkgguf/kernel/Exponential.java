package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.ROUND;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * e^x in float32, the same bits on every JDK and vector width.
 *
 * <p>With n the integer nearest to x / ln 2 and r = x - n ln 2, taken off in two parts of which the first has few enough bits
 * for an exact product, e^x = 2^n e^r; e^r = 1 + r + r^2 p(r) with p of degree 4, which interpolates (e^r - 1 - r) / r^2 at
 * the Chebyshev nodes of |r| <= ln 2 / 2. Products and sums are rounded one by one. The result is within 2 units in the
 * last place.
 */
public final class Exponential {
    /** Below it the result is 0: from here on 2^n could not be a normal number. */
    static final float LOWEST = -87f;

    /** From it on the result stays that of this number, some 1.65e38. */
    static final float HIGHEST = 88f;

    private static final float PER_LN2 = 0x1.715476p0f;
    private static final float LN2_UPPER = 0x1.62e8p-1f;
    private static final float LN2_LOWER = -0x1.e8082ep-16f;
    private static final float P0 = 0.5f;
    private static final float P1 = 0x1.5554dcp-3f;
    private static final float P2 = 0x1.555518p-5f;
    private static final float P3 = 0x1.120be2p-7f;
    private static final float P4 = 0x1.6d117cp-10f;
    private static final int BIAS = 127;

    private Exponential() {}

    /** e^x; NaN of NaN. */
    public static float of(float x) {
        float clamped = x < LOWEST ? LOWEST : x > HIGHEST ? HIGHEST : x;
        float shifted = clamped * PER_LN2 + ROUND;
        float n = shifted - ROUND;
        float r = (clamped - n * LN2_UPPER) - n * LN2_LOWER;
        float p = (((r * P4 + P3) * r + P2) * r + P1) * r + P0;
        float power = p * (r * r) + r + 1f;
        // the shift drops all of the shifted number's bits but those of n
        float result = power * Float.intBitsToFloat((Float.floatToRawIntBits(shifted) + BIAS) << 23);
        return x < LOWEST ? 0f : result;
    }

    /**
     * out = e^(x - y), element by element; {@code out} may be {@code x} or {@code y}, at the same index.
     *
     * <p>The only place where vectors are raised: a method that returned a vector would no longer be inlined into large ones.
     */
    public static void ofDifference(float[] x, int at, float[] y, int yAt, int count, float[] out, int outAt) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector given =
                    FloatVector.fromArray(Lanes.FLOATS, x, at + i).sub(FloatVector.fromArray(Lanes.FLOATS, y, yAt + i));
            // not by max and min, which must order zeros and NaNs and so take three times as long
            VectorMask<Float> low = given.compare(VectorOperators.LT, LOWEST);
            FloatVector clamped = given.blend(LOWEST, low).blend(HIGHEST, given.compare(VectorOperators.GT, HIGHEST));
            FloatVector shifted = clamped.mul(PER_LN2).add(ROUND);
            FloatVector n = shifted.sub(ROUND);
            FloatVector r = clamped.sub(n.mul(LN2_UPPER)).sub(n.mul(LN2_LOWER));
            FloatVector p =
                    r.mul(P4).add(P3).mul(r).add(P2).mul(r).add(P1).mul(r).add(P0);
            FloatVector power = p.mul(r.mul(r)).add(r).add(1f);
            IntVector scale = shifted.reinterpretAsInts().add(BIAS).lanewise(VectorOperators.LSHL, 23);
            power.mul(scale.reinterpretAsFloats()).blend(0f, low).intoArray(out, outAt + i);
        }
        ofDifferenceScalar(x, at + i, y, yAt + i, count - i, out, outAt + i);
    }

    static void ofDifferenceScalar(float[] x, int at, float[] y, int yAt, int count, float[] out, int outAt) {
        for (int i = 0; i < count; i++) {
            out[outAt + i] = of(x[at + i] - y[yAt + i]);
        }
    }
}
