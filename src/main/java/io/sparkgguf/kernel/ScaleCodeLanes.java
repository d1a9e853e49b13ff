package io.sparkgguf.kernel;

import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.OR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link ScaleCodeSearch} for as many super-blocks as a vector has lanes, and the plain coding by the largest scale.
 * Sub-block j of super-block b lies at {@code j * WIDTH + b} throughout.
 *
 * <p>The steps of the search are methods of their own that hand on what they know in an array: in a longer method C2
 * would no longer keep vectors in registers.
 */
final class ScaleCodeLanes {
    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final int WIDTH = Lanes.WIDTH;

    private static final int MANTISSA = 0x7fffff;
    private static final int ZERO = 0x400000;
    private static final int EXPONENT = 0x4b000000; // with 23 bits of mantissa m: 2^23 + m

    /* What the steps hand on, one vector each. */
    private static final int MAX = 0;
    private static final int INVERSE = WIDTH;
    private static final int ERROR = 2 * WIDTH;
    private static final int SUM_XL = 3 * WIDTH;
    private static final int SUM_L2 = 4 * WIDTH;

    private final float[] state = new float[5 * WIDTH];
    private final int size;
    private final int maxCode;

    /** For super-blocks of {@code n} sub-blocks, with codes up to {@code maxCode}. */
    ScaleCodeLanes(int n, int maxCode) {
        this.size = n * WIDTH;
        this.maxCode = maxCode;
    }

    /** Codes without importance: rounded shares of the largest. Factors go to {@code factors}. */
    void code(float[] scales, int clamp, int[] codes, float[] factors) {
        code(scales, size, maxCode, clamp, codes, factors);
    }

    /** {@link ScaleCodeSearch#fit}, lane by lane; factors go to {@code factors}. */
    void fit(float[] scales, float[] w, int clamp, int[] codes, float[] factors) {
        start(scales, w, size, maxCode, state);
        for (int c = -4; c <= 4; c++) {
            if (c != 0) {
                improve(scales, w, size, maxCode, ScaleCodeSearch.stepsOfRange(c, maxCode), state);
            }
        }
        round(scales, w, size, maxCode, codes, state);
        // A sweep that changes nothing in a lane changes nothing there ever after: lanes need not stop one by one.
        int sweeps = 0;
        while (sweeps < ScaleCodeSearch.SWEEPS && sweep(scales, w, size, maxCode, codes, state)) {
            sweeps++;
        }
        finish(size, clamp, codes, factors, state);
    }

    private static void code(float[] scales, int size, int maxCode, int clamp, int[] codes, float[] factors) {
        FloatVector max = FloatVector.zero(FLOATS);
        int i = 0;
        do {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            max = max.blend(s, s.compare(GT, max));
            i += WIDTH;
        } while (i < size);
        FloatVector inverse = FloatVector.broadcast(FLOATS, maxCode).div(max);
        inverse = FloatVector.zero(FLOATS).blend(inverse, max.compare(GT, 0f));
        i = 0;
        do {
            inverse.mul(FloatVector.fromArray(FLOATS, scales, i))
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .lanewise(AND, 0xff)
                    .min(clamp)
                    .intoArray(codes, i);
            i += WIDTH;
        } while (i < size);
        max.div(maxCode).intoArray(factors, 0);
    }

    private static void start(float[] scales, float[] w, int size, int maxCode, float[] state) {
        FloatVector max = FloatVector.zero(FLOATS);
        int i = 0;
        do {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            max = s.blend(max, max.compare(GT, s));
            i += WIDTH;
        } while (i < size);
        FloatVector inverse = FloatVector.broadcast(FLOATS, maxCode).div(max);
        FloatVector factor = FloatVector.broadcast(FLOATS, 1f).div(inverse);
        FloatVector error = FloatVector.zero(FLOATS);
        i = 0;
        do {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            IntVector code = inverse.mul(s).add(Lanes.ROUND).reinterpretAsInts().lanewise(AND, 0xff);
            FloatVector e = s.sub(
                    factor.mul(code.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(0x1p23f)));
            error = error.add(FloatVector.fromArray(FLOATS, w, i).mul(e).mul(e));
            i += WIDTH;
        } while (i < size);
        max.intoArray(state, MAX);
        inverse.intoArray(state, INVERSE);
        error.intoArray(state, ERROR);
    }

    private static void improve(float[] scales, float[] w, int size, int maxCode, float steps, float[] state) {
        FloatVector inverse = FloatVector.broadcast(FLOATS, steps).div(FloatVector.fromArray(FLOATS, state, MAX));
        FloatVector factor = FloatVector.broadcast(FLOATS, 1f).div(inverse);
        FloatVector error = FloatVector.zero(FLOATS);
        int i = 0;
        do {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            IntVector bits = inverse.mul(s).add(Lanes.ROUND).reinterpretAsInts();
            bits = bits.lanewise(AND, MANTISSA).min(ZERO + maxCode);
            FloatVector code = bits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(Lanes.ROUND);
            FloatVector e = s.sub(factor.mul(code));
            error = error.add(FloatVector.fromArray(FLOATS, w, i).mul(e).mul(e));
            i += WIDTH;
        } while (i < size);
        FloatVector best = FloatVector.fromArray(FLOATS, state, ERROR);
        VectorMask<Float> better = error.compare(LT, best);
        best.blend(error, better).intoArray(state, ERROR);
        FloatVector kept = FloatVector.fromArray(FLOATS, state, INVERSE);
        kept.blend(inverse, better).intoArray(state, INVERSE);
    }

    private static void round(float[] scales, float[] w, int size, int maxCode, int[] codes, float[] state) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, state, INVERSE);
        FloatVector sumXL = FloatVector.zero(FLOATS);
        FloatVector sumL2 = sumXL;
        int i = 0;
        do {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            FloatVector wi = FloatVector.fromArray(FLOATS, w, i);
            IntVector bits = inverse.mul(s).add(Lanes.ROUND).reinterpretAsInts();
            bits = bits.lanewise(AND, MANTISSA).min(ZERO + maxCode);
            FloatVector code = bits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(Lanes.ROUND);
            bits.lanewise(AND, 0xff).intoArray(codes, i);
            sumXL = sumXL.add(wi.mul(s).mul(code));
            sumL2 = sumL2.add(wi.mul(code).mul(code));
            i += WIDTH;
        } while (i < size);
        sumXL.intoArray(state, SUM_XL);
        sumL2.intoArray(state, SUM_L2);
    }

    /** One sweep of coordinate descent; whether it changed anything. */
    private static boolean sweep(float[] scales, float[] w, int size, int maxCode, int[] codes, float[] state) {
        FloatVector sumXL = FloatVector.fromArray(FLOATS, state, SUM_XL);
        FloatVector sumL2 = FloatVector.fromArray(FLOATS, state, SUM_L2);
        FloatVector changed = FloatVector.zero(FLOATS);
        int i = 0;
        do {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            FloatVector wi = FloatVector.fromArray(FLOATS, w, i);
            FloatVector wx = wi.mul(s);
            IntVector oldBits = IntVector.fromArray(Lanes.INTS, codes, i);
            FloatVector old =
                    oldBits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(0x1p23f);
            FloatVector restXL = sumXL.sub(wx.mul(old));
            FloatVector restL2 = sumL2.sub(wi.mul(old).mul(old));
            IntVector bits = s.mul(restL2).div(restXL).add(Lanes.ROUND).reinterpretAsInts();
            bits = bits.lanewise(AND, MANTISSA).min(ZERO + maxCode);
            FloatVector code = bits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(Lanes.ROUND);
            VectorMask<Float> moves =
                    restXL.compare(GT, 0f).and(restL2.compare(GT, 0f)).and(code.compare(NE, old));
            restXL = restXL.add(wx.mul(code));
            restL2 = restL2.add(wi.mul(code).mul(code));
            moves = moves.and(
                    restXL.mul(restXL).mul(sumL2).compare(GT, sumXL.mul(sumXL).mul(restL2)));
            sumXL = sumXL.blend(restXL, moves);
            sumL2 = sumL2.blend(restL2, moves);
            // Codes are bytes, so they wrap. As floats they are subnormal, and only moved.
            FloatVector moved = bits.lanewise(AND, 0xff).reinterpretAsFloats();
            oldBits.reinterpretAsFloats()
                    .blend(moved, moves)
                    .reinterpretAsInts()
                    .intoArray(codes, i);
            changed = changed.blend(1f, moves);
            i += WIDTH;
        } while (i < size);
        sumXL.intoArray(state, SUM_XL);
        sumL2.intoArray(state, SUM_L2);
        return changed.compare(GT, 0f).anyTrue();
    }

    private static void finish(int size, int clamp, int[] codes, float[] factors, float[] state) {
        VectorMask<Float> nothing = FloatVector.fromArray(FLOATS, state, MAX).compare(LT, ScaleCodeSearch.NOTHING);
        int i = 0;
        do {
            FloatVector kept =
                    IntVector.fromArray(Lanes.INTS, codes, i).min(clamp).reinterpretAsFloats();
            kept.blend(0f, nothing).reinterpretAsInts().intoArray(codes, i);
            i += WIDTH;
        } while (i < size);
        FloatVector sumL2 = FloatVector.fromArray(FLOATS, state, SUM_L2);
        FloatVector fitted = FloatVector.fromArray(FLOATS, state, SUM_XL).div(sumL2);
        fitted = FloatVector.zero(FLOATS).blend(fitted, sumL2.compare(GT, 0f));
        fitted.blend(0f, nothing).intoArray(factors, 0);
    }
}
