package io.sparkgguf.model.forward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention in blocks against attention by its definition, in float64. */
class AttentionTest {
    private static final long SEED = 20261125;

    private static Attention attention(int heads, int keyHeads, int size) {
        DecoderConfig config = RandomModel.config(
                RandomModel.metadata("llama", 1, 8, 8, heads, keyHeads, size),
                RandomModel.weights(RandomModel.metadata("llama", 1, 8, 8, heads, keyHeads, size), 4, 1));
        return new Attention(config);
    }

    private static float[] normals(Random random, int count, double scale) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (scale * random.nextGaussian());
        }
        return x;
    }

    /** The tokens checked: those around the blocks' borders and every 97th. */
    @ParameterizedTest
    @CsvSource({"1, 1, 1, 2", "63, 2, 1, 16", "64, 4, 4, 6", "65, 6, 2, 32", "129, 3, 1, 64", "4096, 2, 1, 8"})
    void isSoftmaxOfScaledProductsTimesValues(int tokens, int heads, int keyHeads, int size) {
        Random random = new Random(SEED + tokens);
        float[] q = normals(random, tokens * heads * size, 2);
        float[] k = normals(random, tokens * keyHeads * size, 2);
        float[] v = normals(random, tokens * keyHeads * size, 1);
        float[] out = q.clone();
        attention(heads, keyHeads, size).run(out, k, v, 0, tokens);
        for (int token = 0; token < tokens; token++) {
            if (token % 64 > 1 && token % 64 < 62 && token % 97 != 0 && token < tokens - 1) {
                continue;
            }
            for (int head = 0; head < heads; head++) {
                double[] expected = naive(q, k, v, token, head, heads, keyHeads, size);
                for (int d = 0; d < size; d++) {
                    assertEquals(
                            expected[d],
                            out[(token * heads + head) * size + d],
                            3e-6,
                            "token " + token + ", head " + head + ", element " + d + ", seed " + (SEED + tokens));
                }
            }
        }
    }

    private static double[] naive(
            float[] q, float[] k, float[] v, int token, int head, int heads, int keyHeads, int size) {
        int keyHead = head / (heads / keyHeads);
        double[] scores = new double[token + 1];
        for (int key = 0; key <= token; key++) {
            for (int d = 0; d < size; d++) {
                scores[key] += (double) q[(token * heads + head) * size + d] * k[(key * keyHeads + keyHead) * size + d];
            }
            scores[key] /= Math.sqrt(size);
        }
        double largest = Arrays.stream(scores).max().orElseThrow();
        double sum = 0;
        double[] out = new double[size];
        for (int key = 0; key <= token; key++) {
            double weight = StrictMath.exp(scores[key] - largest);
            sum += weight;
            for (int d = 0; d < size; d++) {
                out[d] += weight * v[(key * keyHeads + keyHead) * size + d];
            }
        }
        double total = sum;
        return Arrays.stream(out).map(value -> value / total).toArray();
    }

    /** Scores far beyond what exp can hold without the running maximum. */
    @Test
    void hugeScoresDoNotOverflow() {
        int tokens = 300;
        float[] q = new float[tokens * 2];
        float[] k = new float[tokens * 2];
        float[] v = new float[tokens * 2];
        for (int token = 0; token < tokens; token++) {
            q[2 * token] = 1000;
            k[2 * token] = token; // the last key wins by far
            v[2 * token] = token;
            v[2 * token + 1] = -token;
        }
        float[] expected = v.clone();
        attention(1, 1, 2).run(q, k, v, 0, tokens);
        assertArrayEquals(expected, q);
    }

    /** What follows a token changes nothing of it, to the bit. */
    @Test
    void isCausal() {
        Random random = new Random(SEED);
        int tokens = 200;
        float[] q = normals(random, tokens * 8, 1);
        float[] k = normals(random, tokens * 4, 1);
        float[] v = normals(random, tokens * 4, 1);
        float[] whole = q.clone();
        attention(2, 1, 4).run(whole, k, v, 0, tokens);
        for (int shorter : new int[] {1, 40, 64, 128, 199}) {
            float[] part = Arrays.copyOf(q, shorter * 8);
            attention(2, 1, 4).run(part, k, v, 0, shorter);
            assertArrayEquals(Arrays.copyOf(whole, shorter * 8), part, shorter + " tokens");
        }
        assertTrue(!Arrays.equals(q, whole));
    }
}
