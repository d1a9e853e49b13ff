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
        System.arraycopy(largest, 0, rescale, 0, queries);
        int i = 0;
        for (; i <= queries - Lanes.WIDTH; i += Lanes.WIDTH) {
            largest(scores, keys, queries, i, largest);
        }
        largestScalar(scores, keys, queries, i, largest);
        Exponential.ofDifference(rescale, 0, largest, 0, queries, rescale, 0);
        for (int key = 0; key < keys; key++) {
            int at = key * queries;
            Exponential.ofDifference(scores, at, largest, 0, queries, scores, at);
        }
        for (i = 0; i <= queries - Lanes.WIDTH; i += Lanes.WIDTH) {
            sum(scores, keys, queries, i, sums, rescale);
        }
        sumScalar(scores, keys, queries, i, sums, rescale);
    }

    static void addScalar(float[] scores, int keys, int queries, float[] largest, float[] sums, float[] rescale) {
        System.arraycopy(largest, 0, rescale, 0, queries);
        largestScalar(scores, keys, queries, 0, largest);
        Exponential.ofDifferenceScalar(rescale, 0, largest, 0, queries, rescale, 0);
        for (int key = 0; key < keys; key++) {
            int at = key * queries;
            Exponential.ofDifferenceScalar(scores, at, largest, 0, queries, scores, at);
        }
        sumScalar(scores, keys, queries, 0, sums, rescale);
    }

    private static void largest(float[] scores, int keys, int queries, int i, float[] largest) {
        FloatVector max = FloatVector.fromArray(Lanes.FLOATS, largest, i);
        int end = keys * queries;
        for (int at = i; at < end; at += queries) {
            FloatVector score = FloatVector.fromArray(Lanes.FLOATS, scores, at);
            max = max.blend(score, score.compare(VectorOperators.GT, max));
        }
        max.intoArray(largest, i);
    }

    private static void largestScalar(float[] scores, int keys, int queries, int from, float[] largest) {
        for (int i = from; i < queries; i++) {
            for (int at = i; at < keys * queries; at += queries) {
                largest[i] = scores[at] > largest[i] ? scores[at] : largest[i];
            }
        }
    }

    private static void sum(float[] weights, int keys, int queries, int i, float[] sums, float[] rescale) {
        FloatVector sum = FloatVector.zero(Lanes.FLOATS);
        int end = keys * queries;
        for (int at = i; at < end; at += queries) {
            sum = sum.add(FloatVector.fromArray(Lanes.FLOATS, weights, at));
        }
        FloatVector.fromArray(Lanes.FLOATS, sums, i)
                .mul(FloatVector.fromArray(Lanes.FLOATS, rescale, i))
                .add(sum)
                .intoArray(sums, i);
    }

    private static void sumScalar(float[] weights, int keys, int queries, int from, float[] sums, float[] rescale) {
        for (int i = from; i < queries; i++) {
            float sum = 0;
            for (int at = i; at < keys * queries; at += queries) {
                sum += weights[at];
            }
            sums[i] = sums[i] * rescale[i] + sum;
        }
    }
}
