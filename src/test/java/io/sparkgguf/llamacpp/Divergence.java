package io.sparkgguf.llamacpp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Locale;

/** How far the next-token distributions of one model are from another's; in nats, computed in double. */
public final class Divergence {
    private Divergence() {}

    /** Natural logarithms of softmax(logits). */
    public static double[] logSoftmax(float[] logits) {
        double largest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            largest = Math.max(largest, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - largest);
        }
        double normalizer = largest + Math.log(sum);
        double[] logarithms = new double[logits.length];
        for (int i = 0; i < logits.length; i++) {
            logarithms[i] = logits[i] - normalizer;
        }
        return logarithms;
    }

    /** KL(softmax(expected) || softmax(actual)). */
    public static double kl(float[] expected, float[] actual) {
        assertEquals(expected.length, actual.length, "vocabulary");
        double[] p = logSoftmax(expected);
        double[] q = logSoftmax(actual);
        double divergence = 0;
        for (int i = 0; i < p.length; i++) {
            divergence += Math.exp(p[i]) * (p[i] - q[i]);
        }
        return divergence;
    }

    /** Mean of {@link #kl} over all positions that {@code actual} has. {@code expected} is [sequence][position][token]. */
    public static double meanKl(float[][][] expected, Logits actual) throws IOException {
        return meanKl((sequence, position) -> expected[sequence][position], actual);
    }

    /** Mean of {@link #kl} over all positions that {@code actual} has. */
    public static double meanKl(Logits expected, Logits actual) throws IOException {
        return meanKl(expected::row, actual);
    }

    private static double meanKl(Rows expected, Logits actual) throws IOException {
        double sum = 0;
        for (int sequence = 0; sequence < actual.sequences(); sequence++) {
            for (int position = actual.first(); position < actual.positions(); position++) {
                sum += kl(expected.row(sequence, position), actual.row(sequence, position));
            }
        }
        return sum / actual.sequences() / (actual.positions() - actual.first());
    }

    /** Fails unless the mean divergence is below {@code limit}. NaN fails. */
    public static void assertMeanKlBelow(double limit, float[][][] expected, Logits actual) throws IOException {
        double mean = meanKl(expected, actual);
        assertTrue(mean < limit, () -> String.format(Locale.ROOT, "mean KL is %.3g, not below %.3g", mean, limit));
    }

    private interface Rows {
        float[] row(int sequence, int position) throws IOException;
    }
}
