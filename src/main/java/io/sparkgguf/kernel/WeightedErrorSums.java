package io.sparkgguf.kernel;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Sums of {@code weight * (x - y)^2} and {@code weight * x^2} over one run of floats, in double, added as {@link ErrorSums}
 * adds: element i to partial sum i % 16, in order, and the 16 in order.
 */
public final class WeightedErrorSums {
    private static final int PARTIALS = 16;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final int WIDTH = DOUBLES.length();

    private WeightedErrorSums() {}

    /** Writes the sum of weighted squared errors to {@code sums[0]}, that of weighted squares of x to {@code sums[1]}. */
    public static void sum(
            float[] x, int xAt, float[] y, int yAt, float[] weights, int weightsAt, int count, double[] sums) {
        double[] partials = new double[2 * PARTIALS];
        int whole = Lanes.WIDTH > PARTIALS ? 0 : count - count % PARTIALS;
        for (int c = 0; c < PARTIALS && whole > 0; c += 2 * WIDTH) {
            run(x, xAt + c, y, yAt + c, weights, weightsAt + c, whole, partials, c);
        }
        finish(x, xAt, y, yAt, weights, weightsAt, whole, count, partials, sums);
    }

    private static void run(
            float[] x, int xAt, float[] y, int yAt, float[] weights, int wAt, int whole, double[] partials, int c) {
        DoubleVector error0 = DoubleVector.zero(DOUBLES);
        DoubleVector error1 = error0;
        DoubleVector square0 = error0;
        DoubleVector square1 = error0;
        for (int i = 0; i < whole; i += PARTIALS) {
            FloatVector fx = FloatVector.fromArray(Lanes.FLOATS, x, xAt + i);
            FloatVector fy = FloatVector.fromArray(Lanes.FLOATS, y, yAt + i);
            FloatVector fw = FloatVector.fromArray(Lanes.FLOATS, weights, wAt + i);
            DoubleVector vx = (DoubleVector) fx.convertShape(VectorOperators.F2D, DOUBLES, 0);
            DoubleVector vw = (DoubleVector) fw.convertShape(VectorOperators.F2D, DOUBLES, 0);
            DoubleVector difference = vx.sub((DoubleVector) fy.convertShape(VectorOperators.F2D, DOUBLES, 0));
            error0 = error0.add(difference.mul(difference).mul(vw));
            square0 = square0.add(vx.mul(vx).mul(vw));
            vx = (DoubleVector) fx.convertShape(VectorOperators.F2D, DOUBLES, 1);
            vw = (DoubleVector) fw.convertShape(VectorOperators.F2D, DOUBLES, 1);
            difference = vx.sub((DoubleVector) fy.convertShape(VectorOperators.F2D, DOUBLES, 1));
            error1 = error1.add(difference.mul(difference).mul(vw));
            square1 = square1.add(vx.mul(vx).mul(vw));
        }
        error0.intoArray(partials, c);
        error1.intoArray(partials, c + WIDTH);
        square0.intoArray(partials, PARTIALS + c);
        square1.intoArray(partials, PARTIALS + c + WIDTH);
    }

    static void sumScalar(
            float[] x, int xAt, float[] y, int yAt, float[] weights, int weightsAt, int count, double[] sums) {
        finish(x, xAt, y, yAt, weights, weightsAt, 0, count, new double[2 * PARTIALS], sums);
    }

    private static void finish(
            float[] x,
            int xAt,
            float[] y,
            int yAt,
            float[] weights,
            int wAt,
            int from,
            int count,
            double[] partials,
            double[] sums) {
        for (int i = from; i < count; i++) {
            double vx = x[xAt + i];
            double difference = vx - y[yAt + i];
            partials[i % PARTIALS] += difference * difference * weights[wAt + i];
            partials[PARTIALS + i % PARTIALS] += vx * vx * weights[wAt + i];
        }
        for (int s = 0; s < 2; s++) {
            sums[s] = 0;
            for (int p = 0; p < PARTIALS; p++) {
                sums[s] += partials[s * PARTIALS + p];
            }
        }
    }
}
