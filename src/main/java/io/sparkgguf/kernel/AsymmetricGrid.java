package io.sparkgguf.kernel;

/**
 * What an asymmetric search tries. Levels run from 0 to {@code maxLevel}; candidate i divides the range of a block by
 * {@code first + step * i + maxLevel} steps, i from 0 to {@code steps}.
 *
 * @param elements weights of a block
 * @param maxLevel largest level
 * @param first offset of the first candidate from {@code maxLevel} steps
 * @param step distance between candidates
 * @param steps index of the last candidate
 * @param absolute whether the error is the weighted sum of |e|, else of e²
 */
public record AsymmetricGrid(int elements, int maxLevel, float first, float step, int steps, boolean absolute) {

    /** The grid that every format searches when importance is given: 37 candidates, squared error. */
    public static AsymmetricGrid weighted(int elements, int maxLevel) {
        return new AsymmetricGrid(elements, maxLevel, -0.9f, 0.05f, 36, false);
    }

    /** Into how many steps candidate {@code i} divides the range. */
    float stepsOfRange(int i) {
        return first + step * i + maxLevel;
    }
}
