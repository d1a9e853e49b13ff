package io.sparkgguf.calibrate;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Whole sequences that one task takes through a block. Which sequences make a shard follows from the tokens and the
 * options alone, never from the cluster, because sums are taken shard by shard.
 *
 * @param id place among all shards
 * @param heldOut whether its Hessians judge results instead of making them
 * @param lengths tokens of each sequence
 * @param masked the positions, over the shard, that never enter a Hessian; words of a {@link BitSet}
 */
public record Shard(int id, boolean heldOut, int[] lengths, long[] masked) implements Serializable {

    /** Sequences of a shard that go through the model together; sequence attention stays apart. */
    public record Batch(int firstToken, int firstSequence, int[] ends, int[] kept) implements Serializable {
        /** Tokens of all its sequences. */
        public int tokens() {
            return ends[ends.length - 1];
        }
    }

    /** Tokens of all sequences. */
    public int tokens() {
        int sum = 0;
        for (int length : lengths) {
            sum += length;
        }
        return sum;
    }

    /** Tokens that enter Hessians. */
    public int counted() {
        return tokens() - BitSet.valueOf(masked).cardinality();
    }

    /**
     * The shard in batches of at most {@code maxTokens} tokens, of one sequence at least.
     */
    public List<Batch> batches(int maxTokens) {
        BitSet skip = BitSet.valueOf(masked);
        List<Batch> batches = new ArrayList<>();
        int sequence = 0;
        int first = 0;
        while (sequence < lengths.length) {
            int end = sequence;
            int tokens = 0;
            while (end < lengths.length && (end == sequence || tokens + lengths[end] <= maxTokens)) {
                tokens += lengths[end++];
            }
            int[] ends = new int[end - sequence];
            int sum = 0;
            for (int i = sequence; i < end; i++) {
                sum += lengths[i];
                ends[i - sequence] = sum;
            }
            int[] kept = new int[tokens];
            int count = 0;
            for (int token = 0; token < tokens; token++) {
                if (!skip.get(first + token)) {
                    kept[count++] = token;
                }
            }
            batches.add(new Batch(first, sequence, ends, java.util.Arrays.copyOf(kept, count)));
            first += tokens;
            sequence = end;
        }
        return batches;
    }

    /**
     * Cuts sequences into shards of at most {@code maxTokens} tokens, of one sequence at least.
     *
     * @param ends the end of each sequence, ascending
     * @param masked positions that never enter a Hessian
     * @param firstId id of the first shard
     */
    public static List<Shard> cut(int[] ends, BitSet masked, boolean heldOut, int maxTokens, int firstId) {
        List<Shard> shards = new ArrayList<>();
        int sequence = 0;
        while (sequence < ends.length) {
            int first = sequence == 0 ? 0 : ends[sequence - 1];
            int end = sequence + 1;
            while (end < ends.length && ends[end] - first <= maxTokens) {
                end++;
            }
            int[] lengths = new int[end - sequence];
            for (int i = sequence; i < end; i++) {
                lengths[i - sequence] = ends[i] - (i == 0 ? 0 : ends[i - 1]);
            }
            shards.add(new Shard(
                    firstId + shards.size(),
                    heldOut,
                    lengths,
                    masked.get(first, ends[end - 1]).toLongArray()));
            sequence = end;
        }
        return shards;
    }
}
