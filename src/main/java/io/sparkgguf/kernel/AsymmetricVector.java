package io.sparkgguf.kernel;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The asymmetric K-quants with a super-block in each lane: sub-block j of all super-blocks is one tile, weight i of
 * super-block b lies at {@code i * WIDTH + b}, the scale of its sub-block j at {@code j * WIDTH + b}.
 */
final class AsymmetricVector extends AsymmetricEncoder {
    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final int WIDTH = Lanes.WIDTH;
    private static final int SUPER_BLOCK = AsymmetricSpec.SUPER_BLOCK;

    private final AsymmetricLanes search;
    private final ScaleCodeLanes coding;
    private final LevelLanes rounding;
    private final float[] x = new float[SUPER_BLOCK * WIDTH];
    private final float[] w = new float[SUPER_BLOCK * WIDTH];
    private final float[] sumW;
    private final int[] scaleCodes;
    private final int[] minimumCodes;
    private final float[] scaleFactors = new float[WIDTH];
    private final float[] minimumFactors = new float[WIDTH];
    private final float[] d;
    private final float[] m;
    /** Whether sub-block j of some super-block has its scale stored as zero: there the levels of the search stay. */
    private final boolean[] noScale;

    private final int[] quads = new int[SUPER_BLOCK / 4 * WIDTH];
    private final int[] chosen = new int[SUPER_BLOCK / 4 * WIDTH];

    AsymmetricVector(AsymmetricSpec spec) {
        super(spec);
        search = new AsymmetricLanes(subBlocks);
        coding = new ScaleCodeLanes(subBlocks, spec.codes().maxCode());
        rounding = new LevelLanes(elements);
        sumW = new float[subBlocks * WIDTH];
        scaleCodes = new int[subBlocks * WIDTH];
        minimumCodes = new int[subBlocks * WIDTH];
        d = new float[subBlocks * WIDTH];
        m = new float[subBlocks * WIDTH];
        noScale = new boolean[subBlocks];
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
        for (int b = 0; b < WIDTH; b++) {
            int from = at + Math.min(b, count - 1) * SUPER_BLOCK;
            LevelLanes.toLane(weights, from, SUPER_BLOCK, x, b);
        }
        if (importance == null) {
            weighByMagnitude(x, w, subBlocks, elements, spec.addRms());
        } else {
            gatherImportance(importance, importanceAt, count, blocksPerRow, blockInRow);
            weighByImportance(x, w, subBlocks, elements, spec.energy(), sumW);
        }
        AsymmetricGrid grid = spec.grid(importance != null);
        search.fit(x, w, subBlocks, grid);
        int clamp = spec.clamp(importance != null);
        if (importance == null) {
            coding.code(search.scale, clamp, scaleCodes, scaleFactors);
            coding.code(search.minimum, clamp, minimumCodes, minimumFactors);
        } else {
            coding.fit(search.scale, sumW, clamp, scaleCodes, scaleFactors);
            coding.fit(search.minimum, sumW, clamp, minimumCodes, minimumFactors);
        }
        Arrays.fill(noScale, false);
        for (int b = 0; b < count; b++) {
            store(b);
        }
        rounding.nearest(x, subBlocks, spec.maxLevel(), d, m, quads);
        for (int j = 0; j < subBlocks; j++) {
            if (noScale[j]) {
                keepChosen(j);
            }
        }
        for (int b = 0; b < count; b++) {
            LevelLanes.fromLane(quads, b, SUPER_BLOCK / 4, levels, b * SUPER_BLOCK);
        }
    }

    private void gatherImportance(float[] importance, int at, int count, int blocksPerRow, int blockInRow) {
        for (int b = 0; b < WIDTH; b++) {
            int from = at + (blockInRow + Math.min(b, count - 1)) % blocksPerRow * SUPER_BLOCK;
            LevelLanes.toLane(importance, from, SUPER_BLOCK, w, b);
        }
    }

    private static void weighByMagnitude(float[] x, float[] w, int subBlocks, int elements, boolean addRms) {
        int size = elements * WIDTH;
        for (int at = 0; at < subBlocks * size; at += size) {
            FloatVector rms = FloatVector.zero(FLOATS);
            if (addRms) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < size; i += WIDTH) {
                    FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
                    sum = sum.add(xi.mul(xi));
                }
                rms = sum.div(elements).sqrt();
            }
            for (int i = 0; i < size; i += WIDTH) {
                rms.add(FloatVector.fromArray(FLOATS, x, at + i).abs()).intoArray(w, at + i);
            }
        }
    }

    /** Turns the importance in {@code w} into the weights of the search, and sums these for each sub-block. */
    private static void weighByImportance(
            float[] x, float[] w, int subBlocks, int elements, int energyFactor, float[] sumW) {
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < SUPER_BLOCK * WIDTH; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, i);
            sum = sum.add(xi.mul(xi));
        }
        FloatVector energy = sum.mul(energyFactor).div(SUPER_BLOCK);
        int size = elements * WIDTH;
        for (int j = 0; j < subBlocks; j++) {
            FloatVector sumOfBlock = FloatVector.zero(FLOATS);
            for (int i = j * size; i < (j + 1) * size; i += WIDTH) {
                FloatVector xi = FloatVector.fromArray(FLOATS, x, i);
                FloatVector wi = FloatVector.fromArray(FLOATS, w, i)
                        .mul(energy.add(xi.mul(xi)).sqrt());
                wi.intoArray(w, i);
                sumOfBlock = sumOfBlock.add(wi);
            }
            sumOfBlock.intoArray(sumW, j * WIDTH);
        }
    }

    /** Stores the factors and codes of super-block b, and reads back what they decode to. */
    private void store(int b) {
        ScaleCodes packing = spec.codes();
        scales[b] = Binary16.fromFloat(scaleFactors[b]);
        minima[b] = Binary16.fromFloat(minimumFactors[b]);
        int codesAt = b * packing.bytes();
        packing.pack(scaleCodes, minimumCodes, b, WIDTH, codes, codesAt);
        float factor = Binary16.toFloat(scales[b]);
        float minimumFactor = Binary16.toFloat(minima[b]);
        for (int j = 0; j < subBlocks; j++) {
            float scale = factor * packing.scale(codes, codesAt, j);
            d[j * WIDTH + b] = scale;
            noScale[j] |= scale == 0;
            m[j * WIDTH + b] = minimumFactor * packing.minimum(codes, codesAt, j);
        }
    }

    /** In the lanes of sub-block j whose scale is stored as zero, the levels that the search chose. */
    private void keepChosen(int j) {
        int size = elements * WIDTH;
        rounding.chosen(x, j, j + 1, spec.maxLevel(), search, chosen);
        for (int i = j * size / 4; i < (j + 1) * size / 4; i++) {
            if (d[j * WIDTH + i % WIDTH] == 0) {
                quads[i] = chosen[i];
            }
        }
    }
}
