package io.sparkgguf.calibrate.text;

import java.util.HashSet;
import java.util.Set;

/**
 * How much of one set of sequences stands in another: runs of {@value #WINDOW} tokens that both have, within sequences.
 *
 * @param windows of the first set that were looked for; a sample when it has very many
 * @param shared those of them that the other set has
 */
public record Overlap(long windows, long shared) {
    /** Tokens of a run. */
    public static final int WINDOW = 64;

    /** Most hashes that are held, 64 bytes each. */
    private static final int MAX_HELD = 1 << 20;

    private static final long FACTOR = 0x9E3779B97F4A7C15L;
    private static final long LEAVING = power(WINDOW);

    private static long power(int exponent) {
        long product = 1;
        for (int i = 0; i < exponent; i++) {
            product *= FACTOR;
        }
        return product;
    }

    /**
     * Compares runs at every place by hashes of 64 bits. Where {@code other} has more runs than can be held, only those
     * count, of both, whose hashes end in a number of zero bits: the same runs on either side, so none that is sampled
     * can be missed.
     */
    public static Overlap of(TokenSequences set, TokenSequences other) {
        return of(set, other, MAX_HELD);
    }

    static Overlap of(TokenSequences set, TokenSequences other, int held) {
        int zeros = 0;
        while (other.tokens().length >> zeros > held) {
            zeros++;
        }
        long sample = (1L << zeros) - 1;
        Set<Long> known = new HashSet<>();
        forEach(other, sample, known::add);
        long[] counts = new long[2];
        forEach(set, sample, hash -> {
            counts[0]++;
            counts[1] += known.contains(hash) ? 1 : 0;
        });
        return new Overlap(counts[0], counts[1]);
    }

    private interface Visitor {
        void visit(long hash);
    }

    private static void forEach(TokenSequences set, long sample, Visitor visitor) {
        int[] tokens = set.tokens();
        for (int sequence = 0; sequence < set.count(); sequence++) {
            long rolling = 0;
            int start = set.start(sequence);
            for (int i = start; i < set.ends()[sequence]; i++) {
                rolling = rolling * FACTOR + tokens[i] + 1;
                if (i - start >= WINDOW) {
                    rolling -= LEAVING * (tokens[i - WINDOW] + 1);
                }
                if (i - start >= WINDOW - 1) {
                    long hash = mixed(rolling);
                    if ((hash & sample) == 0) {
                        visitor.visit(hash);
                    }
                }
            }
        }
    }

    /** The end of SplitMix64: every bit of the sum decides on every bit. */
    private static long mixed(long z) {
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
