package io.sparkgguf.gptq;

import io.sparkgguf.kernel.Binary16;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.ScaleParts;

/**
 * Scales near to those that a group has: its codes as they are and a little above and below, or where a group has no codes its
 * own d, and dmin, a few hundredths above and below.
 */
final class ScaleSteps {
    /** Steps of d in types without codes, and of dmin in steps of the grid. */
    private static final float D_STEP = 0.025f;

    private static final float OFFSET_STEP = 0.15f;

    private final GridFormat grid;
    private final LevelGrid levels;
    private final int rows;
    private final boolean coded;
    private final int reach;
    private final int offsetReach;

    /** Those of the step that was taken, by row. */
    float[] scales = {};

    float[] offsets = {};

    private final Candidate candidate = new Candidate();

    private static final class Candidate {
        float d;
        float dmin;
        int scaleCode;
        int minimumCode;
    }

    ScaleSteps(GridFormat grid, LevelGrid levels, int rows, boolean near) {
        this.grid = grid;
        this.levels = levels;
        this.rows = rows;
        coded = grid.maxScaleCode() != grid.minScaleCode();
        reach = near ? 1 : 0;
        offsetReach = near && grid.affine() ? 1 : 0;
    }

    /** How many there are; the first is what the group has. */
    int count() {
        return (2 * reach + 1) * (2 * offsetReach + 1);
    }

    /** Fills {@link #scales} and {@link #offsets} for some rows. */
    void take(int step, int group, int row, int count) {
        if (scales.length < count) {
            scales = new float[count];
            offsets = new float[count];
        }
        for (int r = 0; r < count; r++) {
            if (step == 0) {
                scales[r] = levels.scales[group * rows + row + r];
                offsets[r] = levels.offsets[group * rows + row + r];
            } else {
                find(step, group, row + r);
                scales[r] = candidate.d * candidate.scaleCode;
                offsets[r] = candidate.dmin * candidate.minimumCode;
            }
        }
    }

    /** Makes a step the group's scales in one row. */
    void keep(int step, int group, int row) {
        if (step == 0) {
            return;
        }
        find(step, group, row);
        ScaleParts parts = levels.parts();
        int at = group * rows + row;
        int block = block(group, row);
        parts.d()[block] = candidate.d;
        parts.dmin()[block] = candidate.dmin;
        parts.scaleCode()[at] = (byte) candidate.scaleCode;
        parts.minimumCode()[at] = (byte) candidate.minimumCode;
        levels.scales[at] = candidate.d * candidate.scaleCode;
        levels.offsets[at] = candidate.dmin * candidate.minimumCode;
    }

    private int block(int group, int row) {
        return group * grid.groupElements() / grid.type().blockElements() * rows + row;
    }

    private void find(int step, int group, int row) {
        // 0, 1, -1, 2, -2: the step that changes nothing comes first
        int offset = spread(step / (2 * reach + 1));
        int scale = spread(step % (2 * reach + 1));
        ScaleParts parts = levels.parts();
        int at = group * rows + row;
        int block = block(group, row);
        candidate.d = parts.d()[block];
        candidate.dmin = parts.dmin()[block];
        candidate.scaleCode = parts.scaleCode()[at];
        candidate.minimumCode = parts.minimumCode()[at];
        if (coded) {
            candidate.scaleCode =
                    Math.max(grid.minScaleCode(), Math.min(grid.maxScaleCode(), candidate.scaleCode + scale));
            candidate.minimumCode = Math.max(0, Math.min(grid.maxMinimumCode(), candidate.minimumCode + offset));
        } else {
            candidate.dmin = nearest(candidate.dmin + OFFSET_STEP * offset * candidate.d, candidate.dmin);
            candidate.d = nearest(candidate.d * (1 + D_STEP * scale), candidate.d);
        }
    }

    private static int spread(int i) {
        return (i & 1) == 0 ? -(i / 2) : (i + 1) / 2;
    }

    /** As binary16 holds it, or the other where it would be beyond its range. */
    static float nearest(float value, float otherwise) {
        short half = Binary16.fromFloat(value);
        return Binary16.isFinite(half) ? Binary16.toFloat(half) : otherwise;
    }
}
