package io.sparkgguf.evaluate;

/**
 * Which tokens of a sequence are scored: those of the second half, so that each is predicted from at least half a context.
 * Of a sequence of n tokens the positions n / 2 to n - 2 predict the token after them.
 */
public final class Scored {
    private Scored() {}

    /** The first position whose next token is scored. */
    public static int first(int length) {
        return length / 2;
    }

    /** How many positions are scored. */
    public static int count(int length) {
        return Math.max(0, length - 1 - first(length));
    }
}
