package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.ScaleParts;
import java.util.Arrays;

/** Fits d and dmin of a block to its levels and codes: least squares in the Hessian's metric, rounded to binary16. */
final class ScaleFit {
    private final GridFormat grid;
    private final LevelGrid levels;
    private final float[] panel;
    private final int stride;
    private final int rows;
    private final byte[] points;
    private final int size;

    private float[] a = {};
    private float[] b = {};
    private float[] ha = {};
    private float[] hb = {};
    private final double[] sums = new double[5];

    ScaleFit(GridFormat grid, LevelGrid levels, float[] panel, int stride, int rows) {
        this.grid = grid;
        this.levels = levels;
        this.panel = panel;
        this.stride = stride;
        this.rows = rows;
        points = grid.points();
        size = grid.type().blockElements();
    }

    /**
     * Fits the block whose columns begin at {@code from + at}, in some rows.
     *
     * @return by how much its weights change, element (column, row) at {@code column * count + row}; null when nothing does
     */
    float[] fit(int from, int at, float[] gradient, int row, int count) {
        if (a.length < size * count) {
            a = new float[size * count];
            b = new float[size * count];
            ha = new float[size * count];
            hb = new float[size * count];
        }
        ScaleParts parts = levels.parts();
        int perGroup = grid.groupElements();
        for (int i = 0; i < size; i++) {
            int group = (from + at + i) / perGroup * rows + row;
            int level = (from + at + i) * rows + row;
            for (int r = 0; r < count; r++) {
                a[i * count + r] = (float) parts.scaleCode()[group + r] * points[levels.levels[level + r] & 0xff];
                b[i * count + r] = grid.affine() ? parts.minimumCode()[group + r] : 0;
            }
        }
        int tile = at * stride + from + at;
        Gemm.multiply(size, count, size, panel, tile, stride, a, 0, count, false, ha, 0, count);
        if (grid.affine()) {
            Gemm.multiply(size, count, size, panel, tile, stride, b, 0, count, false, hb, 0, count);
        }
        boolean any = false;
        for (int r = 0; r < count; r++) {
            any |= fitRow(from, at, gradient, row, r, count, parts);
        }
        return any ? ha : null;
    }

    /** One row; leaves its change in {@code ha}. */
    private boolean fitRow(int from, int at, float[] gradient, int row, int r, int count, ScaleParts parts) {
        Arrays.fill(sums, 0);
        for (int i = 0; i < size; i++) {
            int k = i * count + r;
            double g = gradient[(at + i) * rows + row + r];
            sums[0] += (double) a[k] * ha[k];
            sums[1] += a[k] * g;
            if (grid.affine()) {
                sums[2] += (double) a[k] * hb[k];
                sums[3] += (double) b[k] * hb[k];
                sums[4] += b[k] * g;
            }
        }
        for (int i = 0; i < size; i++) {
            ha[i * count + r] = 0;
        }
        int block = (from + at) / size * rows + row + r;
        double haa = sums[0];
        double hab = sums[2];
        double hbb = sums[3];
        double ga = sums[1];
        double gb = sums[4];
        double determinant = haa * hbb - hab * hab;
        double x = 0;
        double y = 0;
        if (determinant > 1e-9 * haa * hbb) {
            x = (gb * hab - ga * hbb) / determinant;
            y = (haa * gb - hab * ga) / determinant;
        } else if (haa > 0) {
            x = -ga / haa;
        }
        float d = ScaleSteps.nearest((float) (parts.d()[block] + x), parts.d()[block]);
        float dmin = ScaleSteps.nearest((float) (parts.dmin()[block] + y), parts.dmin()[block]);
        x = d - parts.d()[block];
        y = dmin - parts.dmin()[block];
        double gain = x * x * haa - 2 * x * y * hab + y * y * hbb + 2 * (x * ga - y * gb);
        if (!(gain < 0)) {
            return false;
        }
        parts.d()[block] = d;
        parts.dmin()[block] = dmin;
        int perGroup = grid.groupElements();
        for (int i = 0; i < size; i++) {
            int group = (from + at + i) / perGroup * rows + row + r;
            byte level = levels.levels[(from + at + i) * rows + row + r];
            float before = levels.value(group, level);
            float scale = d * parts.scaleCode()[group];
            float offset = dmin * parts.minimumCode()[group];
            float product = scale * points[level & 0xff];
            ha[i * count + r] = product - offset - before;
            if (i % perGroup == perGroup - 1) {
                levels.scales[group] = scale;
                levels.offsets[group] = offset;
            }
        }
        return true;
    }
}
