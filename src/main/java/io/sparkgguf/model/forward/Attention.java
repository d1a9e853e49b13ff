package io.sparkgguf.model.forward;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.kernel.StreamingSoftmax;
import java.util.Arrays;

/**
 * Causal attention of grouped queries over one sequence at a time, in blocks of queries and keys: no memory that grows with
 * the square of the tokens.
 *
 * <p>The queries of a block, those of all heads that share a key head side by side, are columns: scores are keys by queries,
 * so softmax runs along the columns. Block borders are counted from the sequence's start, so a sequence's result does not
 * depend on the batch.
 */
public final class Attention {
    /** Tokens of a block of queries. */
    private static final int QUERIES = 64;

    /** Tokens of a block of keys. */
    private static final int KEYS = 128;

    private final int heads;
    private final int keyHeads;
    private final int size;
    private final int group;
    private final float scale;
    private final float[] query;
    private final float[] scores;
    private final float[] sums;
    private final float[] largest;
    private final float[] rescale;
    private final float[] values;
    private float[] turnedValues = new float[0];
    private float[] largestOut;
    private float[] sumsOut;

    /** For heads as the configuration says. */
    public Attention(DecoderConfig config) {
        this.heads = config.heads();
        this.keyHeads = config.keyValueHeads();
        this.size = config.headSize();
        this.group = heads / keyHeads;
        this.scale = (float) (1 / Math.sqrt(size));
        int columns = QUERIES * group;
        this.query = new float[size * columns];
        this.values = new float[size * columns];
        this.scores = new float[KEYS * columns];
        this.sums = new float[columns];
        this.largest = new float[columns];
        this.rescale = new float[columns];
    }

    /** Bytes that are held for sequences of so many tokens. */
    public static long memory(DecoderConfig config, long tokens) {
        long columns = (long) QUERIES * (config.heads() / config.keyValueHeads());
        return Float.BYTES * (columns * (2L * config.headSize() + KEYS + 3) + config.headSize() * tokens);
    }

    /**
     * Attention over one sequence, token {@code first} being its start.
     *
     * @param q a token's query heads after each other; replaced by what the heads bring
     * @param k a token's key heads after each other
     * @param v a token's value heads after each other
     */
    void run(float[] q, float[] k, float[] v, int first, int tokens) {
        run(q, k, v, first, tokens, null, null);
    }

    /**
     * The same, keeping what the weights of attention can be made of again: {@code exp(score - largest) / sum}.
     *
     * @param largest receives the largest score of each token and head, of the whole batch; null for none
     * @param sums receives the sum of each token's and head's exponentials, likewise
     */
    public void run(float[] q, float[] k, float[] v, int first, int tokens, float[] largest, float[] sums) {
        largestOut = largest;
        sumsOut = sums;
        for (int head = 0; head < keyHeads; head++) {
            turnValues(v, head, first, tokens);
            for (int from = 0; from < tokens; from += QUERIES) {
                block(q, k, head, first, tokens, from, Math.min(QUERIES, tokens - from));
            }
        }
    }

    /** One key head's values, element by element: row d holds element d of all tokens. */
    private void turnValues(float[] v, int head, int first, int tokens) {
        turnedValues = LinearLayers.room(turnedValues, (long) size * tokens);
        for (int token = 0; token < tokens; token++) {
            int from = ((first + token) * keyHeads + head) * size;
            for (int d = 0; d < size; d++) {
                turnedValues[d * tokens + token] = v[from + d];
            }
        }
    }

    private void block(float[] q, float[] k, int head, int first, int tokens, int from, int count) {
        int columns = count * group;
        int qAt = ((first + from) * heads + head * group) * size;
        for (int c = 0; c < columns; c++) {
            int at = qAt + (c / group * heads + c % group) * size;
            for (int d = 0; d < size; d++) {
                query[d * columns + c] = q[at + d] * scale;
            }
        }
        Arrays.fill(values, 0, size * columns, 0);
        Arrays.fill(sums, 0, columns, 0);
        Arrays.fill(largest, 0, columns, Float.NEGATIVE_INFINITY);
        for (int key = 0; key < from + count; key += KEYS) {
            int keys = Math.min(KEYS, from + count - key);
            int kAt = ((first + key) * keyHeads + head) * size;
            Gemm.multiply(keys, columns, size, k, kAt, keyHeads * size, query, 0, columns, false, scores, 0, columns);
            for (int j = Math.max(0, from - key + 1); j < keys; j++) { // a query sees no key after its own token
                Arrays.fill(scores, j * columns, j * columns + (key + j - from) * group, Float.NEGATIVE_INFINITY);
            }
            StreamingSoftmax.add(scores, keys, columns, largest, sums, rescale);
            if (key > 0) {
                for (int d = 0; d < size; d++) {
                    Pointwise.multiply(values, d * columns, rescale, 0, columns);
                }
            }
            Gemm.multiply(size, columns, keys, turnedValues, key, tokens, scores, 0, columns, true, values, 0, columns);
        }
        for (int d = 0; d < size; d++) {
            Pointwise.divide(values, d * columns, sums, 0, columns);
        }
        for (int c = 0; c < columns; c++) {
            int at = qAt + (c / group * heads + c % group) * size;
            for (int d = 0; d < size; d++) {
                q[at + d] = values[d * columns + c];
            }
            if (largestOut != null) {
                largestOut[at / size] = largest[c];
                sumsOut[at / size] = sums[c];
            }
        }
    }
}
