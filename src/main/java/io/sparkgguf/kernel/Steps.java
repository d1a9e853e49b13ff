package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Steps of optimizers, each operation rounded by itself. A parameter x is trained in a unit of its own: as if {@code x / unit}
 * were the parameter, so that one learning rate suits all.
 */
public final class Steps {
    private Steps() {}

    /**
     * What a step of AdamW needs besides arrays. Source: Loshchilov and Hutter, Decoupled weight decay regularization (2019).
     *
     * @param rate learning rate, in units
     * @param beta1 share that the mean of gradients keeps
     * @param beta2 share that the mean of squares keeps
     * @param number how many steps there were with this one
     * @param epsilon added to the root of the mean of squares
     * @param decay share of a parameter that is taken off, times the learning rate
     */
    public record AdamW(float rate, float beta1, float beta2, int number, float epsilon, float decay) {

        float firstCorrection() {
            return (float) (1 / (1 - StrictMath.pow(beta1, number)));
        }

        float secondCorrection() {
            return (float) (1 / (1 - StrictMath.pow(beta2, number)));
        }
    }

    /**
     * One step of AdamW of {@code count} parameters.
     *
     * @param x parameters from {@code at}
     * @param gradient from {@code at}, in units of x itself
     * @param mean of gradients so far, from {@code at}
     * @param square mean of squared gradients so far, from {@code at}
     * @param units from {@code unitAt}
     */
    public static void adamW(
            AdamW step,
            float[] x,
            float[] gradient,
            float[] mean,
            float[] square,
            int at,
            int count,
            float[] units,
            int unitAt) {
        float keep1 = step.beta1();
        float keep2 = step.beta2();
        float first = step.firstCorrection() * step.rate();
        float second = step.secondCorrection();
        float kept = 1f - step.rate() * step.decay();
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector unit = FloatVector.fromArray(Lanes.FLOATS, units, unitAt + i);
            FloatVector g =
                    FloatVector.fromArray(Lanes.FLOATS, gradient, at + i).mul(unit);
            FloatVector m =
                    FloatVector.fromArray(Lanes.FLOATS, mean, at + i).mul(keep1).add(g.mul(1f - keep1));
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, square, at + i)
                    .mul(keep2)
                    .add(g.mul(g).mul(1f - keep2));
            m.intoArray(mean, at + i);
            v.intoArray(square, at + i);
            FloatVector root = v.mul(second).lanewise(VectorOperators.SQRT).add(step.epsilon());
            FloatVector.fromArray(Lanes.FLOATS, x, at + i)
                    .mul(kept)
                    .sub(m.mul(first).div(root).mul(unit))
                    .intoArray(x, at + i);
        }
        adamWScalar(step, x, gradient, mean, square, at, i, count, units, unitAt);
    }

    static void adamWScalar(
            AdamW step,
            float[] x,
            float[] gradient,
            float[] mean,
            float[] square,
            int at,
            int from,
            int count,
            float[] units,
            int unitAt) {
        float first = step.firstCorrection() * step.rate();
        float second = step.secondCorrection();
        float kept = 1f - step.rate() * step.decay();
        for (int i = from; i < count; i++) {
            float unit = units[unitAt + i];
            float g = gradient[at + i] * unit;
            float m = mean[at + i] * step.beta1() + g * (1f - step.beta1());
            float v = square[at + i] * step.beta2() + g * g * (1f - step.beta2());
            mean[at + i] = m;
            square[at + i] = v;
            float root = (float) Math.sqrt(v * second) + step.epsilon();
            x[at + i] = x[at + i] * kept - m * first / root * unit;
        }
    }

    /**
     * One step of signed gradient descent of {@code count} parameters, which stay within {@code reach} units of a centre.
     *
     * @param rate how far a parameter moves, in units
     * @param x parameters from {@code at}; gradients and centres likewise
     * @param units from {@code unitAt}, not negative
     */
    public static void sign(
            float rate,
            float reach,
            float[] x,
            float[] gradient,
            float[] centre,
            int at,
            int count,
            float[] units,
            int unitAt) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector unit = FloatVector.fromArray(Lanes.FLOATS, units, unitAt + i);
            FloatVector g = FloatVector.fromArray(Lanes.FLOATS, gradient, at + i);
            FloatVector middle = FloatVector.fromArray(Lanes.FLOATS, centre, at + i);
            FloatVector old = FloatVector.fromArray(Lanes.FLOATS, x, at + i);
            FloatVector move = unit.mul(rate);
            FloatVector low = middle.sub(unit.mul(reach));
            FloatVector high = middle.add(unit.mul(reach));
            FloatVector next = old.blend(old.sub(move), g.compare(VectorOperators.GT, 0f))
                    .blend(old.add(move), g.compare(VectorOperators.LT, 0f));
            FloatVector above = next.blend(low, next.compare(VectorOperators.LT, low));
            above.blend(high, above.compare(VectorOperators.GT, high)).intoArray(x, at + i);
        }
        signScalar(rate, reach, x, gradient, centre, at, i, count, units, unitAt);
    }

    static void signScalar(
            float rate,
            float reach,
            float[] x,
            float[] gradient,
            float[] centre,
            int at,
            int from,
            int count,
            float[] units,
            int unitAt) {
        for (int i = from; i < count; i++) {
            float unit = units[unitAt + i];
            float move = unit * rate;
            float low = centre[at + i] - unit * reach;
            float high = centre[at + i] + unit * reach;
            float g = gradient[at + i];
            float old = x[at + i];
            float next = g > 0f ? old - move : g < 0f ? old + move : old;
            next = next < low ? low : next;
            x[at + i] = next > high ? high : next;
        }
    }
}
