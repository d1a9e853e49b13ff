package io.sparkgguf.quant;

import java.io.Serializable;
import java.util.StringJoiner;

/**
 * Whether weights are ternary, -s, 0 and s with one s in every run of 32, and what encoding made of them: the proof that a
 * model trained so was carried over as it is. Merged in any grouping it says the same.
 */
public final class TernaryCensus implements Serializable {
    private static final long serialVersionUID = 1L;

    /** The shortest run of weights that a scale is shared by. */
    private static final int RUN = 32;

    /** Weights of a block of TQ1_0 and TQ2_0. */
    private static final int BLOCK = 256;

    private boolean dense;
    private long weights;
    private long zeros;
    private float smallest = Float.POSITIVE_INFINITY;
    private float largest;
    private long mixedBlocks;
    private long differing;
    private long flipped;
    private double scaleUlps;

    /** Adds a row: original weights and the same encoded and decoded again. */
    void add(float[] original, int at, float[] decoded, int decodedAt, int columns) {
        dense |= columns < RUN; // a tensor cut into single weights, of which nothing can be told
        for (int block = 0; block < columns && !dense; block += BLOCK) {
            float inBlock = 0;
            boolean mixed = false;
            int end = Math.min(columns, block + BLOCK);
            for (int run = block; run < end && !dense; run += RUN) {
                int count = Math.min(RUN, end - run);
                float scale = scale(original, at + run, count);
                if (scale < 0) {
                    dense = true;
                } else if (scale > 0) {
                    mixed |= inBlock != 0 && inBlock != scale;
                    inBlock = Math.max(inBlock, scale);
                    smallest = Math.min(smallest, scale);
                    largest = Math.max(largest, scale);
                }
            }
            mixedBlocks += mixed ? 1 : 0;
        }
        for (int i = 0; i < columns && !dense; i++) {
            count(original[at + i], decoded[decodedAt + i]);
        }
        weights += columns;
    }

    /** The one magnitude of a run besides zero; 0 when all are zero, negative when there are several, or NaN. */
    private static float scale(float[] weights, int at, int count) {
        float scale = 0;
        for (int i = at; i < at + count; i++) {
            float magnitude = Math.abs(weights[i]);
            if (magnitude != 0) {
                if (scale != 0 && magnitude != scale || !Float.isFinite(magnitude)) {
                    return -1;
                }
                scale = magnitude;
            }
        }
        return scale;
    }

    private void count(float original, float decoded) {
        if (original == 0) {
            zeros++;
        }
        if (original != decoded) { // also where decoded is NaN
            differing++;
            if (Math.signum(original) != Math.signum(decoded)) {
                flipped++;
            } else {
                scaleUlps = Math.max(scaleUlps, Math.abs((double) original - decoded) / ulp(decoded));
            }
        }
    }

    /** What the last bit of a binary16 near this value is worth. */
    private static double ulp(float value) {
        return Math.scalb(1.0, Math.max(Math.getExponent(value), -14) - 10);
    }

    /** Adds what another saw. */
    void merge(TernaryCensus other) {
        dense |= other.dense;
        weights += other.weights;
        zeros += other.zeros;
        smallest = Math.min(smallest, other.smallest);
        largest = Math.max(largest, other.largest);
        mixedBlocks += other.mixedBlocks;
        differing += other.differing;
        flipped += other.flipped;
        scaleUlps = Math.max(scaleUlps, other.scaleUlps);
    }

    /** Whether every run of 32 weights has one magnitude besides zero, and there is a weight that is not zero. */
    public boolean isTernary() {
        return !dense && largest > 0;
    }

    /** Blocks of 256 weights that have several scales; such a tensor has no place in TQ1_0 or TQ2_0. */
    public long mixedBlocks() {
        return mixedBlocks;
    }

    /** The least scale. */
    public float smallestScale() {
        return smallest;
    }

    /** The largest scale; the least one too where the tensor has one. */
    public float largestScale() {
        return largest;
    }

    public long zeros() {
        return zeros;
    }

    public long weights() {
        return weights;
    }

    /** Weights that are not what they were. */
    public long differing() {
        return differing;
    }

    /** Weights that became another of -s, 0 and s. */
    public long flipped() {
        return flipped;
    }

    /** By how much scales changed at the most, in last places of a binary16. */
    public double scaleUlps() {
        return scaleUlps;
    }

    @Override
    public String toString() {
        StringJoiner text = new StringJoiner(" ");
        text.add(Boolean.toString(dense)).add(Long.toString(weights)).add(Long.toString(zeros));
        text.add(Float.toString(smallest)).add(Float.toString(largest)).add(Long.toString(mixedBlocks));
        text.add(Long.toString(differing)).add(Long.toString(flipped)).add(Double.toString(scaleUlps));
        return text.toString();
    }

    /** @throws IllegalArgumentException when the text is something else */
    static TernaryCensus parse(String text) {
        String[] parts = text.split(" ", -1);
        if (parts.length != 9) {
            throw new IllegalArgumentException("Cannot read '" + text + "' as a census of ternary weights");
        }
        TernaryCensus census = new TernaryCensus();
        census.dense = Boolean.parseBoolean(parts[0]);
        census.weights = Long.parseLong(parts[1]);
        census.zeros = Long.parseLong(parts[2]);
        census.smallest = Float.parseFloat(parts[3]);
        census.largest = Float.parseFloat(parts[4]);
        census.mixedBlocks = Long.parseLong(parts[5]);
        census.differing = Long.parseLong(parts[6]);
        census.flipped = Long.parseLong(parts[7]);
        census.scaleUlps = Double.parseDouble(parts[8]);
        return census;
    }
}
