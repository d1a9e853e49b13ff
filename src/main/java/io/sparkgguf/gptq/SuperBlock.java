package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.GridRounding;
import io.sparkgguf.quant.GridFormat;
import java.util.Arrays;

/** The groups of one super-block, for {@link Refinement}: some rows at a time. Everything lies by columns. */
final class SuperBlock {
    /** Columns that are solved together at most; a larger group is solved in parts, and its scales are fitted with its block. */
    private static final int LARGEST = 32;

    private final GridFormat grid;
    private final LevelGrid levels;
    private final byte[] points;
    private final float[] panel;
    private final int stride;
    private final int from;
    private final int width;
    private final float[] changes;
    private final float[] gradient;
    private final int rows;
    private final boolean fitScales;
    private final int size;
    private final GroupFactor[] factors;
    private final ScaleSteps steps;
    private final ScaleFit fit;

    private float[] centre;
    private float[] work;
    private float[] values;
    private float[] bestValues;
    private byte[] found;
    private byte[] best;
    private float[] error;
    private float[] least;
    private int[] bestStep;

    /**
     * @param panel rows of the damped Hessian of this super-block's columns
     * @param stride columns of the Hessian
     * @param from first column of the super-block
     * @param width its columns
     * @param changes decoded minus target, of all columns
     * @param gradient H times the changes, of this super-block's columns; kept up to date
     */
    SuperBlock(
            GridFormat grid,
            LevelGrid levels,
            float[] panel,
            int stride,
            int from,
            int width,
            float[] changes,
            float[] gradient,
            int rows,
            boolean fitScales) {
        this.grid = grid;
        this.levels = levels;
        this.panel = panel;
        this.stride = stride;
        this.from = from;
        this.width = width;
        this.changes = changes;
        this.gradient = gradient;
        this.rows = rows;
        this.fitScales = fitScales;
        points = grid.points();
        size = Math.min(grid.groupElements(), LARGEST);
        factors = new GroupFactor[width / size];
        for (int g = 0; g < factors.length; g++) {
            factors[g] = new GroupFactor(panel, g * size * stride + from + g * size, stride, size);
        }
        steps = new ScaleSteps(grid, levels, rows, fitScales && size == grid.groupElements());
        fit = fitScales ? new ScaleFit(grid, levels, panel, stride, rows) : null;
    }

    void refine(int row, int count) {
        if (centre == null || centre.length < size * count) {
            centre = new float[size * count];
            work = new float[size * count];
            values = new float[size * count];
            bestValues = new float[size * count];
            found = new byte[size * count];
            best = new byte[size * count];
            error = new float[count];
            least = new float[count];
            bestStep = new int[count];
        }
        for (int g = 0; g < factors.length; g++) {
            solveGroup(g, row, count);
        }
        if (fitScales) {
            int block = grid.type().blockElements();
            for (int at = 0; at < width; at += block) {
                float[] delta = fit.fit(from, at, gradient, row, count);
                if (delta != null) {
                    apply(at, block, delta, row, count);
                }
            }
        }
    }

    private void solveGroup(int g, int row, int count) {
        GroupFactor factor = factors[g];
        int group = (from + g * size) / grid.groupElements();
        findCentre(factor, g, group, row, count);
        Arrays.fill(bestStep, 0, count, -1);
        for (int step = 0; step < steps.count(); step++) {
            steps.take(step, group, row, count);
            System.arraycopy(centre, 0, work, 0, size * count);
            walk(factor, count);
            for (int r = 0; r < count; r++) {
                if (error[r] < least[r]) {
                    least[r] = error[r];
                    bestStep[r] = step;
                    for (int i = 0; i < size; i++) {
                        best[i * count + r] = found[i * count + r];
                        bestValues[i * count + r] = values[i * count + r];
                    }
                }
            }
        }
        boolean any = false;
        Arrays.fill(work, 0, size * count, 0);
        for (int r = 0; r < count; r++) {
            if (bestStep[r] < 0) {
                continue;
            }
            any = true;
            for (int i = 0; i < size; i++) {
                int at = (from + g * size + i) * rows + row + r;
                float before = levels.value(group * rows + row + r, levels.levels[at]);
                work[i * count + r] = bestValues[i * count + r] - before;
                levels.levels[at] = best[i * count + r];
            }
            steps.keep(bestStep[r], group, row + r);
        }
        if (any) {
            apply(g * size, size, work, row, count);
        }
    }

    /** The point at which the error is least if these columns could take any value; what is now is above it by {@code least}. */
    private void findCentre(GroupFactor factor, int g, int group, int row, int count) {
        float[] y = values;
        Arrays.fill(y, 0, size * count, 0);
        for (int i = 0; i < size; i++) {
            for (int k = i; k < size; k++) {
                add(factor.r[i * size + k], gradient, (g * size + k) * rows + row, y, i * count, count);
            }
        }
        Arrays.fill(least, 0, count, 0);
        for (int i = 0; i < size; i++) {
            for (int r = 0; r < count; r++) {
                least[r] += y[i * count + r] * y[i * count + r];
                int at = (from + g * size + i) * rows + row + r;
                centre[i * count + r] = levels.value(group * rows + row + r, levels.levels[at]);
            }
        }
        for (int r = 0; r < count; r++) {
            // what is not clearly better is rounding noise
            least[r] *= 1 - 1e-5f;
        }
        for (int i = 0; i < size; i++) {
            for (int k = i; k < size; k++) {
                add(-factor.r[i * size + k], y, i * count, centre, k * count, count);
            }
        }
    }

    /** The column loop within the group. */
    private void walk(GroupFactor factor, int count) {
        Arrays.fill(error, 0, count, 0);
        for (int i = 0; i < size; i++) {
            int at = i * count;
            GridRounding.round(
                    points, grid.uniform(), work, at, count, steps.scales, 0, steps.offsets, 0, found, at, values, at);
            float inverse = 1 / factor.r[i * size + i];
            for (int r = 0; r < count; r++) {
                float e = (work[at + r] - values[at + r]) * inverse;
                work[at + r] = e;
                error[r] += e * e;
            }
            for (int k = i + 1; k < size; k++) {
                add(-factor.r[i * size + k], work, at, work, k * count, count);
            }
        }
    }

    /** Adds to the changes of some columns, and what that makes of the gradient. */
    private void apply(int at, int columns, float[] delta, int row, int count) {
        for (int i = 0; i < columns; i++) {
            int to = (from + at + i) * rows + row;
            for (int r = 0; r < count; r++) {
                changes[to + r] += delta[i * count + r];
            }
        }
        Gemm.multiply(width, count, columns, panel, from + at, stride, delta, 0, count, true, gradient, row, rows);
    }

    /** y += a * x. */
    private static void add(float a, float[] x, int xAt, float[] y, int yAt, int count) {
        for (int i = 0; i < count; i++) {
            y[yAt + i] += a * x[xAt + i];
        }
    }
}
