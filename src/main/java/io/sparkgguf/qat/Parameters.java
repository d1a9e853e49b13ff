package io.sparkgguf.qat;

/** Numbers that are trained, with what an optimizer remembers of each. */
final class Parameters {
    final float[] x;

    /** What a step is measured in: one a parameter, or one for each that shares a group. */
    final float[] units;

    /** Of x; given by whoever made the last backward pass. */
    float[] gradient;

    /** What the optimizer remembers; null before its first step. */
    float[] first;

    /** Likewise. */
    float[] second;

    Parameters(float[] x, float[] units) {
        this.x = x;
        this.units = units;
        gradient = units.length == x.length ? new float[x.length] : null;
    }
}
