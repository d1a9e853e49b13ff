package io.sparkgguf.qat;

import java.util.Iterator;
import java.util.List;

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

    /** What they were when {@link #numbers} was called. */
    static Parameters of(Iterator<float[]> numbers) {
        Parameters parameters = new Parameters(numbers.next(), numbers.next());
        parameters.first = orNull(numbers.next(), parameters);
        parameters.second = orNull(numbers.next(), parameters);
        return parameters;
    }

    private static float[] orNull(float[] array, Parameters parameters) {
        return array.length < parameters.x.length ? null : array;
    }

    /** All that a step changes or needs but the gradient. */
    List<float[]> numbers() {
        return List.of(x, units, first == null ? new float[0] : first, second == null ? new float[0] : second);
    }
}
