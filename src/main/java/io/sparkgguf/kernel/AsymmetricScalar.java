package io.sparkgguf.kernel;

/** The scalar definition of the asymmetric K-quants: one super-block after the other. */
final class AsymmetricScalar extends AsymmetricEncoder {
    private final AsymmetricSearch[] search;
    private final float[] w = new float[AsymmetricSpec.SUPER_BLOCK];
    private final float[] x = new float[AsymmetricSpec.SUPER_BLOCK];
    private final float[] scale;
    private final float[] minimum;
    private final float[] sumW;
    private final int[] scaleCodes;
    private final int[] minimumCodes;

    AsymmetricScalar(AsymmetricSpec spec) {
        super(spec);
        scale = new float[subBlocks];
        minimum = new float[subBlocks];
        sumW = new float[subBlocks];
        scaleCodes = new int[subBlocks];
        minimumCodes = new int[subBlocks];
        search = new AsymmetricSearch[subBlocks];
        for (int j = 0; j < subBlocks; j++) {
            search[j] = new AsymmetricSearch();
        }
    }

    @Override
    public void encode(
            float[] weights,
            int at,
            int count,
            float[] importance,
            int importanceAt,
            int blocksPerRow,
            int blockInRow) {
        for (int b = 0; b < count; b++) {
            System.arraycopy(weights, at + b * AsymmetricSpec.SUPER_BLOCK, x, 0, AsymmetricSpec.SUPER_BLOCK);
            if (importance == null) {
                weighByMagnitude();
            } else {
                int column = (blockInRow + b) % blocksPerRow * AsymmetricSpec.SUPER_BLOCK;
                weighByImportance(importance, importanceAt + column);
            }
            AsymmetricGrid grid = spec.grid(importance != null);
            for (int j = 0; j < subBlocks; j++) {
                search[j].fit(x, w, j * elements, grid);
                scale[j] = search[j].scale;
                minimum[j] = search[j].minimum;
            }
            int clamp = spec.clamp(importance != null);
            scales[b] = Binary16.fromFloat(code(scale, scaleCodes, clamp, importance != null));
            minima[b] = Binary16.fromFloat(code(minimum, minimumCodes, clamp, importance != null));
            spec.codes()
                    .pack(
                            scaleCodes,
                            minimumCodes,
                            0,
                            1,
                            codes,
                            b * spec.codes().bytes());
            requantize(b, grid);
        }
    }

    private void weighByMagnitude() {
        for (int j = 0; j < subBlocks; j++) {
            float rms = 0;
            if (spec.addRms()) {
                float sum = 0;
                for (int i = j * elements; i < (j + 1) * elements; i++) {
                    sum += x[i] * x[i];
                }
                rms = (float) Math.sqrt(sum / elements);
            }
            for (int i = j * elements; i < (j + 1) * elements; i++) {
                w[i] = rms + Math.abs(x[i]);
            }
        }
    }

    private void weighByImportance(float[] importance, int at) {
        float sum = 0;
        for (int i = 0; i < AsymmetricSpec.SUPER_BLOCK; i++) {
            sum += x[i] * x[i];
        }
        float energy = spec.energy() * sum / AsymmetricSpec.SUPER_BLOCK;
        for (int j = 0; j < subBlocks; j++) {
            float sumOfBlock = 0;
            for (int i = j * elements; i < (j + 1) * elements; i++) {
                w[i] = importance[at + i] * (float) Math.sqrt(energy + x[i] * x[i]);
                sumOfBlock += w[i];
            }
            sumW[j] = sumOfBlock;
        }
    }

    /** Codes the scales or minima; answers their common factor. */
    private float code(float[] values, int[] into, int clamp, boolean importance) {
        int maxCode = spec.codes().maxCode();
        float factor;
        if (importance) {
            factor = ScaleCodeSearch.fit(values, sumW, subBlocks, maxCode, into);
        } else {
            float max = 0;
            for (float value : values) {
                max = value > max ? value : max;
            }
            float inverse = max > 0 ? maxCode / max : 0f;
            for (int j = 0; j < subBlocks; j++) {
                into[j] = NearestInt.nearest(inverse * values[j]) & 0xff;
            }
            factor = max / maxCode;
        }
        for (int j = 0; j < subBlocks; j++) {
            into[j] = Math.min(clamp, into[j]);
        }
        return factor;
    }

    /** The levels by the scales and minima as stored; where a scale is stored as zero, those of the search stay. */
    private void requantize(int b, AsymmetricGrid grid) {
        int codesAt = b * spec.codes().bytes();
        float factor = Binary16.toFloat(scales[b]);
        float minimumFactor = Binary16.toFloat(minima[b]);
        for (int j = 0; j < subBlocks; j++) {
            int levelsAt = b * AsymmetricSpec.SUPER_BLOCK + j * elements;
            float d = factor * spec.codes().scale(codes, codesAt, j);
            float m = minimumFactor * spec.codes().minimum(codes, codesAt, j);
            if (d == 0) {
                search[j].levels(x, j * elements, grid, levels, levelsAt);
                continue;
            }
            for (int i = 0; i < elements; i++) {
                levels[levelsAt + i] = (byte) AsymmetricSearch.level((x[j * elements + i] + m) / d, grid.maxLevel());
            }
        }
    }
}
