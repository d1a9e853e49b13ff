package io.sparkgguf.calibrate.text;

import io.sparkgguf.model.tokenizer.TextTokenizer.Encoded;
import java.io.IOException;
import java.util.function.Function;

/**
 * Tokenizes a text of any length in bounded memory. Windows that overlap are tokenized one by one, and two neighbours
 * are joined in the middle of the longest stretch of their overlap on which they agree, token by token and place by
 * place.
 *
 * <p>That gives the tokens of the whole text: a tokenizer that cuts text into words from left to right before it merges
 * goes on alike once two scans have met, and the merges of those that do not cut are local to a few words, far less than
 * what must agree. Where nothing agrees (a letter repeated over a whole window) the text is cut at the window's end, and
 * counted.
 */
final class WindowedEncoder {
    /** Characters of a window; a text that is not longer is tokenized whole. */
    static final int WINDOW = 1 << 17;

    private static final int OVERLAP = 1 << 12;
    private static final int AGREEING = 64;

    private final Function<String, Encoded> tokenizer;
    private final int window;
    private final int overlap;
    private final int agreeing;
    private long roughJoins;

    WindowedEncoder(Function<String, Encoded> tokenizer) {
        this(tokenizer, WINDOW, OVERLAP, AGREEING);
    }

    /**
     * @param window characters that each window adds
     * @param overlap code points that it repeats of the one before; doubled as long as nothing agrees
     * @param agreeing fewest tokens that must agree
     */
    WindowedEncoder(Function<String, Encoded> tokenizer, int window, int overlap, int agreeing) {
        this.tokenizer = tokenizer;
        this.window = window;
        this.overlap = overlap;
        this.agreeing = agreeing;
    }

    /** How often text was cut where its windows did not agree. */
    long roughJoins() {
        return roughJoins;
    }

    /** Adds the tokens of {@code text} to {@code documents}, until these are full. */
    void encode(Characters text, Documents documents) throws IOException {
        StringBuilder old = new StringBuilder();
        text.append(old, window);
        Encoded left = tokenizer.apply(old.toString());
        int from = 0;
        StringBuilder fresh = new StringBuilder();
        while (text.append(fresh, window) > 0 && !documents.isFull()) {
            int points = old.codePointCount(0, old.length());
            Encoded right = null;
            int[] join = null;
            StringBuilder both = null;
            for (int shared = overlap; join == null && shared <= points; shared *= 2) {
                both = new StringBuilder(old.substring(old.offsetByCodePoints(old.length(), -shared))).append(fresh);
                right = tokenizer.apply(both.toString());
                join = join(left, from, right, points - shared);
            }
            if (join == null) {
                roughJoins++;
                documents.add(left.ids(), from, left.ids().length);
                left = tokenizer.apply(fresh.toString());
                from = 0;
                old = fresh;
            } else {
                documents.add(left.ids(), from, join[0]);
                left = right;
                from = join[1];
                old = both;
            }
            fresh = new StringBuilder();
        }
        documents.add(left.ids(), from, left.ids().length);
    }

    /**
     * The middle of the longest stretch of equal tokens at equal places: an index into either, null when it is too short.
     *
     * @param shift where the right text begins in the left one
     */
    private int[] join(Encoded left, int from, Encoded right, int shift) {
        int i = from;
        while (i < left.ids().length && left.starts()[i] < shift) {
            i++;
        }
        int best = 0;
        int[] join = null;
        int run = 0;
        int j = 0;
        while (i < left.ids().length && j < right.ids().length) {
            int order = Integer.compare(left.starts()[i] - shift, right.starts()[j]);
            order = order != 0 ? order : Integer.compare(left.ends()[i] - shift, right.ends()[j]);
            run = order == 0 && left.ids()[i] == right.ids()[j] ? run + 1 : 0;
            i += order <= 0 ? 1 : 0;
            j += order >= 0 ? 1 : 0;
            if (run > best) {
                best = run;
                join = new int[] {i - run / 2, j - run / 2};
            }
        }
        return best >= agreeing ? join : null;
    }
}
