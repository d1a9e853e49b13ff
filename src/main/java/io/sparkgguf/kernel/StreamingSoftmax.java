package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Softmax over keys that come block by block: for each query the largest score and the sum of exponentials so far.
 *
 * <p>Queries lie in lanes: score of key j and query i is element {@code j * queries + i}. So every query's sums are taken
 * over keys in order and do not depend on the vector's width.
 */
public final class StreamingSoftmax {
    private StreamingSoftmax() {}

    /**
     * Takes in the scores of one block of keys. At least one score of each query must be finite, or its {@code largest} be
     * so already; a score of negative infinity gets the weight 0.
     *
     * @param scores {@code keys * queries} scores from index 0; become exp(score - largest)
     * @param largest of each query, negative infinity before the first block; becomes the largest score so far
     * @param sums of each query, 0 before the first block; become the sums of weights so far
     * @param rescale becomes the factor that takes what was weighted so far to the new largest score
     */
    public static void add(float[] scores, int keys, int queries, float[] largest, float[] sums, float[] rescale) {
        int i = 0;
        for (; i <= queries - Lanes.WIDTH; i += Lanes.WIDTH) {
            largest(scores, keys, queries, i, largest, rescale);
            weigh(scores, keys, queries, i, largest, sums, rescale);
        }
        addScalar(scores, keys, queries, i, largest, sums, rescale);
    }

    /** The queries from {@code from} on. */
    static void addScalar(
            float[] scores, int keys, int queries, int from, float[] largest, float[] sums, float[] rescale) {
        int end = keys * queries;
        for (int i = from; i < queries; i++) {
            float max = largest[i];
            for (int at = i; at < end; at += queries) {
                max = scores[at] > max ? scores[at] : max;
            }
            float sum = 0;
            for (int at = i; at < end; at += queries) {
                scores[at] = Exponential.of(scores[at] - max);
                sum += scores[at];
            }
            rescale[i] = Exponential.of(largest[i] - max);
            sums[i] = sums[i] * rescale[i] + sum;
            largest[i] = max;
        }
    }

    private static void largest(float[] scores, int keys, int queries, int i, float[] largest, float[] rescale) {
        FloatVector before = FloatVector.fromArray(Lanes.FLOATS, largest, i);
        FloatVector max = before;
        int end = keys * queries;
        for (int at = i; at < end; at += queries) {
            FloatVector score = FloatVector.fromArray(Lanes.FLOATS, scores, at);
            max = max.blend(score, score.compare(VectorOperators.GT, max));
        }
        max.intoArray(largest, i);
        Exponential.of(before.sub(max)).intoArray(rescale, i);
    }

    private static void weigh(
            float[] scores, int keys, int queries, int i, float[] largest, float[] sums, float[] rescale) {
        FloatVector max = FloatVector.fromArray(Lanes.FLOATS, largest, i);
        FloatVector sum = FloatVector.zero(Lanes.FLOATS);
        int end = keys * queries;
        for (int at = i; at < end; at += queries) {
            FloatVector weight = Exponential.of(
                    FloatVector.fromArray(Lanes.FLOATS, scores, at).sub(max));
            weight.intoArray(scores, at);
            sum = sum.add(weight);
        }
        FloatVector.fromArray(Lanes.FLOATS, sums, i)
                .mul(FloatVector.fromArray(Lanes.FLOATS, rescale, i))
                .add(sum)
                .intoArray(sums, i);
    }
}
