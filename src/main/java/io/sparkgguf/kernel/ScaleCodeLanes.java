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
 */
final class ScaleCodeLanes {
    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final VectorSpecies<Integer> INTS = Lanes.INTS;
    private static final int WIDTH = Lanes.WIDTH;

    private static final int MANTISSA = 0x7fffff;
    private static final int ZERO = 0x400000;
    private static final int EXPONENT = 0x4b000000; // with 23 bits of mantissa m: 2^23 + m

    private ScaleCodeLanes() {}

    /** Codes as the scalar form does without importance: rounded shares of the largest. Factors go to {@code factors}. */
    static void code(float[] scales, int n, int maxCode, int clamp, int[] codes, float[] factors) {
        FloatVector max = FloatVector.zero(FLOATS);
        for (int i = 0; i < n * WIDTH; i += WIDTH) {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            max = max.blend(s, s.compare(GT, max));
        }
        FloatVector inverse = FloatVector.broadcast(FLOATS, maxCode).div(max);
        inverse = FloatVector.zero(FLOATS).blend(inverse, max.compare(GT, 0f));
        for (int i = 0; i < n * WIDTH; i += WIDTH) {
            FloatVector v = inverse.mul(FloatVector.fromArray(FLOATS, scales, i));
            v.add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .lanewise(AND, 0xff)
                    .min(clamp)
                    .intoArray(codes, i);
        }
        max.div(maxCode).intoArray(factors, 0);
    }

    /** {@link ScaleCodeSearch#fit}, lane by lane; factors go to {@code factors}. */
    static void fit(float[] scales, float[] w, int n, int maxCode, int clamp, int[] codes, float[] factors) {
        int size = n * WIDTH;
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector max = zero;
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            max = s.blend(max, max.compare(GT, s));
        }
        VectorMask<Float> nothing = max.compare(LT, ScaleCodeSearch.NOTHING);
        FloatVector inverse = FloatVector.broadcast(FLOATS, maxCode).div(max);
        FloatVector factor = FloatVector.broadcast(FLOATS, 1f).div(inverse);
        FloatVector best = zero;
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            IntVector code = inverse.mul(s).add(Lanes.ROUND).reinterpretAsInts().lanewise(AND, 0xff);
            FloatVector e = s.sub(
                    factor.mul(code.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(0x1p23f)));
            best = best.add(FloatVector.fromArray(FLOATS, w, i).mul(e).mul(e));
        }
        for (int c = -4; c <= 4; c++) {
            if (c == 0) {
                continue;
            }
            FloatVector candidate = FloatVector.broadcast(FLOATS, ScaleCodeSearch.stepsOfRange(c, maxCode))
                    .div(max);
            factor = FloatVector.broadcast(FLOATS, 1f).div(candidate);
            FloatVector error = zero;
            for (int i = 0; i < size; i += WIDTH) {
                FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
                IntVector bits = candidate.mul(s).add(Lanes.ROUND).reinterpretAsInts();
                FloatVector code = bits.lanewise(AND, MANTISSA)
                        .min(ZERO + maxCode)
                        .lanewise(OR, EXPONENT)
                        .reinterpretAsFloats()
                        .sub(Lanes.ROUND);
                FloatVector e = s.sub(factor.mul(code));
                error = error.add(FloatVector.fromArray(FLOATS, w, i).mul(e).mul(e));
            }
            VectorMask<Float> better = error.compare(LT, best);
            best = best.blend(error, better);
            inverse = inverse.blend(candidate, better);
        }
        FloatVector sumXL = zero;
        FloatVector sumL2 = zero;
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
            FloatVector wi = FloatVector.fromArray(FLOATS, w, i);
            IntVector bits = inverse.mul(s)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts()
                    .lanewise(AND, MANTISSA)
                    .min(ZERO + maxCode);
            FloatVector code = bits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(Lanes.ROUND);
            bits.lanewise(AND, 0xff).intoArray(codes, i);
            sumXL = sumXL.add(wi.mul(s).mul(code));
            sumL2 = sumL2.add(wi.mul(code).mul(code));
        }
        // A sweep that changes nothing in a lane changes nothing there ever after: lanes need not stop one by one.
        for (int sweep = 0; sweep < ScaleCodeSearch.SWEEPS; sweep++) {
            VectorMask<Float> changed = FLOATS.maskAll(false);
            for (int i = 0; i < size; i += WIDTH) {
                FloatVector s = FloatVector.fromArray(FLOATS, scales, i);
                FloatVector wi = FloatVector.fromArray(FLOATS, w, i);
                FloatVector wx = wi.mul(s);
                IntVector oldBits = IntVector.fromArray(INTS, codes, i);
                FloatVector old =
                        oldBits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(0x1p23f);
                FloatVector restXL = sumXL.sub(wx.mul(old));
                FloatVector restL2 = sumL2.sub(wi.mul(old).mul(old));
                IntVector bits = s.mul(restL2)
                        .div(restXL)
                        .add(Lanes.ROUND)
                        .reinterpretAsInts()
                        .lanewise(AND, MANTISSA)
                        .min(ZERO + maxCode);
                FloatVector code =
                        bits.lanewise(OR, EXPONENT).reinterpretAsFloats().sub(Lanes.ROUND);
                VectorMask<Float> moves =
                        restXL.compare(GT, 0f).and(restL2.compare(GT, 0f)).and(code.compare(NE, old));
                restXL = restXL.add(wx.mul(code));
                restL2 = restL2.add(wi.mul(code).mul(code));
                moves = moves.and(restXL.mul(restXL)
                        .mul(sumL2)
                        .compare(GT, sumXL.mul(sumXL).mul(restL2)));
                sumXL = sumXL.blend(restXL, moves);
                sumL2 = sumL2.blend(restL2, moves);
                // Codes are bytes: wrap, and keep the old ones bit for bit.
                FloatVector kept = oldBits.reinterpretAsFloats();
                kept.blend(bits.lanewise(AND, 0xff).reinterpretAsFloats(), moves)
                        .reinterpretAsInts()
                        .intoArray(codes, i);
                changed = changed.or(moves);
            }
            if (!changed.anyTrue()) {
                break;
            }
        }
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector kept = IntVector.fromArray(INTS, codes, i).min(clamp).reinterpretAsFloats();
            kept.blend(0f, nothing).reinterpretAsInts().intoArray(codes, i);
        }
        FloatVector fitted = zero.blend(sumXL.div(sumL2), sumL2.compare(GT, 0f));
        fitted.blend(0f, nothing).intoArray(factors, 0);
    }
}
