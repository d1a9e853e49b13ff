package io.sparkgguf.kernel;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.Vector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
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
    private static final VectorSpecies<Float> HALF_FLOATS =
            VectorSpecies.of(float.class, VectorShape.forBitSize(WIDTH * Float.SIZE));

    private ErrorSums() {}

    /** Writes the four sums over {@code count} elements to {@code sums}. */
    public static void sum(float[] x, int xAt, float[] y, int yAt, int count, double[] sums) {
        if (WIDTH > PARTIALS) {
            sumScalar(x, xAt, y, yAt, count, sums);
            return;
        }
        double[] partials = new double[SUMS * PARTIALS];
        int whole = count - count % PARTIALS;
        for (int c = 0; c < PARTIALS; c += WIDTH) {
            DoubleVector error = DoubleVector.zero(DOUBLES);
            DoubleVector xx = error;
            DoubleVector yy = error;
            DoubleVector xy = error;
            for (int i = c; i < whole; i += PARTIALS) {
                DoubleVector vx = widen(x, xAt + i);
                DoubleVector vy = widen(y, yAt + i);
                DoubleVector difference = vx.sub(vy);
                error = error.add(difference.mul(difference));
                xx = xx.add(vx.mul(vx));
                yy = yy.add(vy.mul(vy));
                xy = xy.add(vx.mul(vy));
            }
            error.intoArray(partials, ERROR * PARTIALS + c);
            xx.intoArray(partials, X * PARTIALS + c);
            yy.intoArray(partials, Y * PARTIALS + c);
            xy.intoArray(partials, PRODUCT * PARTIALS + c);
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

    private static DoubleVector widen(float[] x, int at) {
        Vector<Double> wide = FloatVector.fromArray(HALF_FLOATS, x, at).castShape(DOUBLES, 0);
        return (DoubleVector) wide;
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
