package io.sparkgguf.kernel;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The sums behind error figures of one run of floats x and its approximation y, in double: element i is added to partial
 * sum i % 16, in order, and the 16 are added in order. So the result does not depend on the vector's width.
 */
public final class ErrorSums {
    /** Index of the sum of (x - y)^2. */
    public static final int ERROR = 0;
    /** Index of the sum of x^2. */
    public static final int X = 1;
    /** Index of the sum of y^2. */
    public static final int Y = 2;
    /** Index of the sum of x * y. */
    public static final int PRODUCT = 3;
    /** How many sums there are. */
    public static final int SUMS = 4;

    private static final int PARTIALS = 16;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final int WIDTH = DOUBLES.length();

    private ErrorSums() {}

    /** Writes the four sums over {@code count} elements to {@code sums}. */
    public static void sum(float[] x, int xAt, float[] y, int yAt, int count, double[] sums) {
        if (Lanes.WIDTH > PARTIALS) {
            sumScalar(x, xAt, y, yAt, count, sums);
            return;
        }
        double[] partials = new double[SUMS * PARTIALS];
        int whole = count - count % PARTIALS;
        for (int c = 0; c < PARTIALS; c += 2 * WIDTH) {
            DoubleVector error0 = DoubleVector.zero(DOUBLES);
            DoubleVector error1 = error0;
            DoubleVector xx0 = error0;
            DoubleVector xx1 = error0;
            DoubleVector yy0 = error0;
            DoubleVector yy1 = error0;
            DoubleVector xy0 = error0;
            DoubleVector xy1 = error0;
            for (int i = c; i < whole; i += PARTIALS) {
                FloatVector fx = FloatVector.fromArray(Lanes.FLOATS, x, xAt + i);
                FloatVector fy = FloatVector.fromArray(Lanes.FLOATS, y, yAt + i);
                DoubleVector vx = (DoubleVector) fx.convertShape(VectorOperators.F2D, DOUBLES, 0);
                DoubleVector vy = (DoubleVector) fy.convertShape(VectorOperators.F2D, DOUBLES, 0);
                DoubleVector difference = vx.sub(vy);
                error0 = error0.add(difference.mul(difference));
                xx0 = xx0.add(vx.mul(vx));
                yy0 = yy0.add(vy.mul(vy));
                xy0 = xy0.add(vx.mul(vy));
                vx = (DoubleVector) fx.convertShape(VectorOperators.F2D, DOUBLES, 1);
                vy = (DoubleVector) fy.convertShape(VectorOperators.F2D, DOUBLES, 1);
                difference = vx.sub(vy);
                error1 = error1.add(difference.mul(difference));
                xx1 = xx1.add(vx.mul(vx));
                yy1 = yy1.add(vy.mul(vy));
                xy1 = xy1.add(vx.mul(vy));
            }
            error0.intoArray(partials, ERROR * PARTIALS + c);
            error1.intoArray(partials, ERROR * PARTIALS + c + WIDTH);
            xx0.intoArray(partials, X * PARTIALS + c);
            xx1.intoArray(partials, X * PARTIALS + c + WIDTH);
            yy0.intoArray(partials, Y * PARTIALS + c);
            yy1.intoArray(partials, Y * PARTIALS + c + WIDTH);
            xy0.intoArray(partials, PRODUCT * PARTIALS + c);
            xy1.intoArray(partials, PRODUCT * PARTIALS + c + WIDTH);
        }
        finish(x, xAt, y, yAt, whole, count, partials, sums);
    }

    static void sumScalar(float[] x, int xAt, float[] y, int yAt, int count, double[] sums) {
        finish(x, xAt, y, yAt, 0, count, new double[SUMS * PARTIALS], sums);
    }

    private static void finish(
            float[] x, int xAt, float[] y, int yAt, int from, int count, double[] partials, double[] sums) {
        for (int i = from; i < count; i++) {
            int p = i % PARTIALS;
            double vx = x[xAt + i];
            double vy = y[yAt + i];
            double difference = vx - vy;
            partials[ERROR * PARTIALS + p] += difference * difference;
            partials[X * PARTIALS + p] += vx * vx;
            partials[Y * PARTIALS + p] += vy * vy;
            partials[PRODUCT * PARTIALS + p] += vx * vy;
        }
        for (int s = 0; s < SUMS; s++) {
            double sum = 0;
            for (int p = 0; p < PARTIALS; p++) {
                sum += partials[s * PARTIALS + p];
            }
            sums[s] = sum;
        }
    }

    /** The largest |x - y|, the difference rounded to float32; NaN when there is one. */
    public static float largest(float[] x, int xAt, float[] y, int yAt, int count) {
        int width = Lanes.WIDTH;
        IntVector largest = IntVector.zero(Lanes.INTS);
        int i = 0;
        for (; i <= count - width; i += width) {
            FloatVector difference = Rounding.load(x, xAt + i).sub(Rounding.load(y, yAt + i));
            largest = largest.max(difference.reinterpretAsInts().and(0x7fffffff));
        }
        int bits = largest.reduceLanes(VectorOperators.MAX);
        for (; i < count; i++) {
            bits = Math.max(bits, Float.floatToRawIntBits(x[xAt + i] - y[yAt + i]) & 0x7fffffff);
        }
        return Float.intBitsToFloat(bits);
    }

    /** The index of the first element whose |x - y| in float32 is {@code error}, NaN included; -1 when there is none. */
    public static int indexOf(float error, float[] x, int xAt, float[] y, int yAt, int count) {
        for (int i = 0; i < count; i++) {
            if (Float.compare(Math.abs(x[xAt + i] - y[yAt + i]), error) == 0) {
                return i;
            }
        }
        return -1;
    }
}
