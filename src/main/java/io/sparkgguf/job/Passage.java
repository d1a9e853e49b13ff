package io.sparkgguf.job;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Whole sequences that one task runs through a model.
 *
 * @param index place among the passages of a text
 * @param tokens of all its sequences, one after the other
 * @param ends where each sequence ends, ascending; the last is the number of tokens
 */
record Passage(int index, int[] tokens, int[] ends) implements Serializable {

    /** Tokens that a passage should have: enough for many tokens to share one reading of the weights. */
    static final int TOKENS = 2048;

    /**
     * Cuts a text; the cut depends on nothing but the sequences, so that it is the same on any cluster.
     *
     * @param tokens of all sequences
     * @param ends of all sequences
     * @param most tokens of a passage, unless one sequence is longer
     */
    static List<Passage> cut(int[] tokens, int[] ends, int most) {
        List<Passage> passages = new ArrayList<>();
        int sequence = 0;
        while (sequence < ends.length) {
            int start = sequence == 0 ? 0 : ends[sequence - 1];
            int last = sequence;
            while (last + 1 < ends.length && ends[last + 1] - start <= most) {
                last++;
            }
            int[] own = Arrays.copyOfRange(ends, sequence, last + 1);
            for (int i = 0; i < own.length; i++) {
                own[i] -= start;
            }
            passages.add(new Passage(passages.size(), Arrays.copyOfRange(tokens, start, ends[last]), own));
            sequence = last + 1;
        }
        return passages;
    }

    int sequences() {
        return ends.length;
    }

    /** Where a sequence begins. */
    int start(int sequence) {
        return sequence == 0 ? 0 : ends[sequence - 1];
    }
}
