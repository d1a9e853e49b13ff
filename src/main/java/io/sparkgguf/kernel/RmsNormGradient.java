package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * The gradient of {@link RmsNorm}. With f the factor of a row of n elements and {@code y = x f w}, the gradient of x is
 * {@code f (w dy) - x f³ / n sum(w dy x)}.
 *
 * <p>Product i of a row's sum is added to partial sum i % 16 in float32, in order; the 16 are added in order in float64.
 */
public final class RmsNormGradient {
    private RmsNormGradient() {}

    /**
     * Adds to dx the gradients of {@code rows} rows that follow each other.
     *
     * @param x what was normed, from {@code at}
     * @param weight {@code columns} factors from index 0
     * @param dy the gradient of the norm's result, from {@code dyAt}
     * @param dx receives the sums from {@code dxAt}; must not overlap x or dy
     */
    public static void add(
            float[] x,
            int at,
            int rows,
            int columns,
            float[] weight,
            float epsilon,
            float[] dy,
            int dyAt,
            float[] dx,
            int dxAt) {
        float[] partials = new float[RmsNorm.PARTIALS];
        for (int row = 0; row < rows; row++) {
            int i = row * columns;
            RmsNorm.squares(x, at + i, columns, partials);
            float factor = RmsNorm.factor(partials, columns, epsilon);
            products(x, at + i, columns, weight, dy, dyAt + i, partials);
            float pull = pull(partials, columns, factor);
            row(x, at + i, columns, weight, factor, pull, dy, dyAt + i, dx, dxAt + i);
        }
    }

    static void addScalar(
            float[] x,
            int at,
            int rows,
            int columns,
            float[] weight,
            float epsilon,
            float[] dy,
            int dyAt,
            float[] dx,
            int dxAt) {
        for (int row = 0; row < rows; row++) {
            int from = row * columns;
            float[] partials = new float[RmsNorm.PARTIALS];
            float[] products = new float[RmsNorm.PARTIALS];
            for (int i = 0; i < columns; i++) {
                partials[i % RmsNorm.PARTIALS] += x[at + from + i] * x[at + from + i];
                products[i % RmsNorm.PARTIALS] += weight[i] * dy[dyAt + from + i] * x[at + from + i];
            }
            float factor = RmsNorm.factor(partials, columns, epsilon);
            float pull = pull(products, columns, factor);
            rowScalar(x, at + from, 0, columns, weight, factor, pull, dy, dyAt + from, dx, dxAt + from);
        }
    }

    private static float pull(float[] partials, int columns, float factor) {
        double sum = 0;
        for (float partial : partials) {
            sum += partial;
        }
        return (float) (sum * factor * factor * factor / columns);
    }

    private static void products(
            float[] x, int at, int columns, float[] weight, float[] dy, int dyAt, float[] partials) {
        int whole = columns - columns % RmsNorm.PARTIALS;
        for (int c = 0; c < RmsNorm.PARTIALS; c += Lanes.WIDTH) {
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            for (int i = c; i < whole; i += RmsNorm.PARTIALS) {
                FloatVector pulled = FloatVector.fromArray(Lanes.FLOATS, weight, i)
                        .mul(FloatVector.fromArray(Lanes.FLOATS, dy, dyAt + i));
                sum = sum.add(pulled.mul(FloatVector.fromArray(Lanes.FLOATS, x, at + i)));
            }
            sum.intoArray(partials, c);
        }
        for (int i = whole; i < columns; i++) {
            partials[i - whole] += weight[i] * dy[dyAt + i] * x[at + i];
        }
    }

    private static void row(
            float[] x,
            int at,
            int columns,
            float[] weight,
            float factor,
            float pull,
            float[] dy,
            int dyAt,
            float[] dx,
            int dxAt) {
        int i = 0;
        for (; i <= columns - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector direct = FloatVector.fromArray(Lanes.FLOATS, weight, i)
                    .mul(FloatVector.fromArray(Lanes.FLOATS, dy, dyAt + i))
                    .mul(factor);
            FloatVector.fromArray(Lanes.FLOATS, dx, dxAt + i)
                    .add(direct.sub(
                            FloatVector.fromArray(Lanes.FLOATS, x, at + i).mul(pull)))
                    .intoArray(dx, dxAt + i);
        }
        rowScalar(x, at, i, columns, weight, factor, pull, dy, dyAt, dx, dxAt);
    }

    private static void rowScalar(
            float[] x,
            int at,
            int from,
            int columns,
            float[] weight,
            float factor,
            float pull,
            float[] dy,
            int dyAt,
            float[] dx,
            int dxAt) {
        for (int i = from; i < columns; i++) {
            dx[dxAt + i] += weight[i] * dy[dyAt + i] * factor - x[at + i] * pull;
        }
    }
}
