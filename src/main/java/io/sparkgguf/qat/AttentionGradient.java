package io.sparkgguf.qat;

import io.sparkgguf.kernel.Exponential;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.kernel.PointwiseGradient;
import io.sparkgguf.model.forward.DecoderConfig;
import java.util.Arrays;

/**
 * The gradient of causal attention of grouped queries over one sequence, in blocks of queries and keys: the weights of
 * attention are made again from what the forward pass kept of them, so that no memory grows with the square of the tokens.
 *
 * <p>With P the weights and O what the heads brought: {@code dV = Pᵀ dO}, {@code dS = P (dO Vᵀ - rowsum(dO O))},
 * {@code dQ = dS K}, {@code dK = dSᵀ Q}, scores being scaled by one over the root of a head's size. Source: Dao et al.,
 * FlashAttention (2022), section 3.1 and appendix B. As in the forward pass queries lie in columns; each element's sum goes
 * over queries, or over keys, in order.
 */
final class AttentionGradient {
    private static final int QUERIES = 64;
    private static final int KEYS = 128;

    private final int heads;
    private final int keyHeads;
    private final int size;
    private final int group;
    private final float scale;
    private final float[] query;
    private final float[] dOut;
    private final float[] dQuery;
    private final float[] weights;
    private final float[] dScores;
    private final float[] largest;
    private final float[] sums;
    private final float[] means;

    AttentionGradient(DecoderConfig config) {
        heads = config.heads();
        keyHeads = config.keyValueHeads();
        size = config.headSize();
        group = heads / keyHeads;
        scale = (float) (1 / Math.sqrt(size));
        int columns = QUERIES * group;
        query = new float[size * columns];
        dOut = new float[size * columns];
        dQuery = new float[size * columns];
        weights = new float[KEYS * columns];
        dScores = new float[KEYS * columns];
        largest = new float[columns];
        sums = new float[columns];
        means = new float[columns];
    }

    /** Bytes that it holds. */
    static long memory(DecoderConfig config) {
        long columns = (long) QUERIES * (config.heads() / config.keyValueHeads());
        return Float.BYTES * columns * (3L * config.headSize() + 2L * KEYS + 3);
    }

    /**
     * Takes the gradient of what the heads brought back to queries, keys and values. All arrays hold a sequence from index 0,
     * a token's heads after each other.
     *
     * @param largestScores of each token and head, as the forward pass kept them
     * @param weightSums likewise
     * @param out what the heads brought
     * @param d its gradient; replaced by the gradient of the queries
     * @param dk receives the gradient of the keys
     * @param dv receives the gradient of the values
     */
    void run(
            float[] q,
            float[] k,
            float[] v,
            float[] largestScores,
            float[] weightSums,
            float[] out,
            int tokens,
            float[] d,
            float[] dk,
            float[] dv) {
        Arrays.fill(dk, 0, tokens * keyHeads * size, 0);
        Arrays.fill(dv, 0, tokens * keyHeads * size, 0);
        for (int head = 0; head < keyHeads; head++) {
            for (int from = 0; from < tokens; from += QUERIES) {
                int count = Math.min(QUERIES, tokens - from);
                gather(q, out, d, largestScores, weightSums, head, from, count);
                for (int key = 0; key < from + count; key += KEYS) {
                    keys(k, v, head, from, count, key, Math.min(KEYS, from + count - key), dk, dv);
                }
                for (int c = 0; c < count * group; c++) {
                    int at = at(head, from, c);
                    for (int e = 0; e < size; e++) {
                        d[at + e] = dQuery[e * count * group + c] * scale;
                    }
                }
            }
        }
    }

    /** Where the query in a column begins. */
    private int at(int head, int from, int column) {
        return ((from + column / group) * heads + head * group + column % group) * size;
    }

    private void gather(
            float[] q,
            float[] out,
            float[] d,
            float[] largestScores,
            float[] weightSums,
            int head,
            int from,
            int count) {
        int columns = count * group;
        for (int c = 0; c < columns; c++) {
            int at = at(head, from, c);
            float mean = 0;
            for (int e = 0; e < size; e++) {
                query[e * columns + c] = q[at + e] * scale;
                dOut[e * columns + c] = d[at + e];
                mean += d[at + e] * out[at + e];
            }
            means[c] = mean;
            largest[c] = largestScores[at / size];
            sums[c] = weightSums[at / size];
        }
        Arrays.fill(dQuery, 0, size * columns, 0);
    }

    private void keys(float[] k, float[] v, int head, int from, int count, int key, int keys, float[] dk, float[] dv) {
        int columns = count * group;
        int stride = keyHeads * size;
        int at = (key * keyHeads + head) * size;
        Gemm.multiply(keys, columns, size, k, at, stride, query, 0, columns, false, weights, 0, columns);
        Gemm.multiply(keys, columns, size, v, at, stride, dOut, 0, columns, false, dScores, 0, columns);
        for (int j = 0; j < keys; j++) {
            int row = j * columns;
            int unseen = Math.min(columns, Math.max(0, key + j - from) * group); // queries of earlier tokens
            Arrays.fill(weights, row, row + unseen, Float.NEGATIVE_INFINITY);
            Exponential.ofDifference(weights, row, largest, 0, columns, weights, row);
            Pointwise.divide(weights, row, sums, 0, columns);
            PointwiseGradient.softmax(weights, row, dScores, row, means, columns);
        }
        Gemm.multiplyTransposedLeft(size, columns, keys, k, at, stride, dScores, 0, columns, true, dQuery, 0, columns);
        Gemm.multiplyTransposed(keys, size, columns, dScores, 0, columns, query, 0, columns, true, dk, at, stride);
        Gemm.multiplyTransposed(keys, size, columns, weights, 0, columns, dOut, 0, columns, true, dv, at, stride);
    }
}
