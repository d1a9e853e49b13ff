package io.sparkgguf.calibrate.text;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * Sequences of token ids, one behind the other. The arrays are not copied and not to be changed.
 *
 * @param tokens ids of all sequences
 * @param ends one past each sequence's last token, strictly ascending; the last is {@code tokens.length}
 * @param masked positions in {@code tokens} that never enter a Hessian; attention sees them all the same
 * @param documents that were read, those beyond a limit of tokens not counted
 * @param documentTokens tokens of these documents, what begins and ends them included, before they were cut
 * @param notes what the user should know of the reading, a line each
 */
public record TokenSequences(
        int[] tokens, int[] ends, BitSet masked, long documents, long documentTokens, List<String> notes)
        implements Serializable {
    private static final int DIGEST_CHUNK = 1 << 14;

    public TokenSequences {
        notes = List.copyOf(notes);
        int last = 0;
        for (int end : ends) {
            if (end <= last) {
                throw new IllegalArgumentException("Cannot end a sequence at " + end + ": it begins at " + last);
            }
            last = end;
        }
        if (last != tokens.length || masked.length() > tokens.length) {
            throw new IllegalArgumentException("Cannot hold sequences that end at " + last + " and masks up to "
                    + masked.length() + " in " + tokens.length + " tokens");
        }
    }

    /** Number of sequences. */
    public int count() {
        return ends.length;
    }

    /** Where sequence {@code index} begins in {@code tokens}. */
    public int start(int index) {
        return index == 0 ? 0 : ends[index - 1];
    }

    /** Tokens of sequence {@code index}. */
    public int length(int index) {
        return ends[index] - start(index);
    }

    /** Positions that are not masked. */
    public long unmasked() {
        return tokens.length - masked.cardinality();
    }

    /** Sequences {@code from} up to but without {@code to}; documents and notes are those of the whole. */
    public TokenSequences slice(int from, int to) {
        if (from < 0 || from > to || to > count()) {
            throw new IllegalArgumentException("Cannot take sequences " + from + " to " + to + " of " + count());
        }
        int[] chosen = new int[to - from];
        for (int i = 0; i < chosen.length; i++) {
            chosen[i] = from + i;
        }
        return select(chosen);
    }

    /** The same tokens as one sequence. */
    public TokenSequences joined() {
        return new TokenSequences(
                tokens,
                tokens.length == 0 ? ends : new int[] {tokens.length},
                masked,
                documents,
                documentTokens,
                notes);
    }

    private TokenSequences select(int[] chosen) {
        int[] someEnds = new int[chosen.length];
        int total = 0;
        for (int i = 0; i < chosen.length; i++) {
            total += length(chosen[i]);
            someEnds[i] = total;
        }
        int[] some = new int[total];
        BitSet someMasked = new BitSet();
        for (int i = 0; i < chosen.length; i++) {
            int at = i == 0 ? 0 : someEnds[i - 1];
            int start = start(chosen[i]);
            System.arraycopy(tokens, start, some, at, length(chosen[i]));
            int end = ends[chosen[i]];
            for (int p = masked.nextSetBit(start); p >= 0 && p < end; p = masked.nextSetBit(p + 1)) {
                someMasked.set(at + p - start);
            }
        }
        return new TokenSequences(some, someEnds, someMasked, documents, documentTokens, notes);
    }

    /** Two parts without a sequence in common. */
    public record Split(TokenSequences train, TokenSequences heldOut) implements Serializable {}

    /**
     * Sets a share of the sequences apart, chosen by the seed; both parts keep the order. The held-out part gets the
     * share rounded to whole sequences, at least one where the share is above 0 and there are two.
     *
     * @param share from 0 up to but without 1
     */
    public Split holdOut(double share, long seed) {
        if (!(share >= 0 && share < 1)) {
            throw new InvalidInputException(
                    "Cannot hold out a share of " + share + ": it is from 0 up to, not with, 1");
        }
        int most = Math.max(0, count() - 1);
        int held = Math.min(most, share == 0 ? 0 : Math.max(1, (int) Math.round(share * count())));
        int[] order = SeededOrder.of(count(), seed);
        int[] out = Arrays.copyOf(order, held);
        int[] train = Arrays.copyOfRange(order, held, order.length);
        Arrays.sort(out);
        Arrays.sort(train);
        return new Split(select(train), select(out));
    }

    /** How many runs of 64 tokens of these sequences stand in {@code other} too; hold-out and evaluation should share none. */
    public Overlap overlap(TokenSequences other) {
        return Overlap.of(this, other);
    }

    /** Writes them, without the notes, to a file of this name, replacing an old one. */
    public void save(Storage storage, String file) throws IOException {
        SequenceFile.write(storage, file, this);
    }

    /**
     * All sequences of a file that {@link #save} wrote.
     *
     * @throws InvalidInputException when the file is damaged, with the byte
     */
    public static TokenSequences load(Storage storage, String file) throws IOException {
        return SequenceFile.read(storage, file);
    }

    /** Sequences {@code from} up to but without {@code to} of such a file, of which no others are read. */
    public static TokenSequences load(Storage storage, String file, int from, int to) throws IOException {
        return SequenceFile.read(storage, file, from, to);
    }

    /** Tells whether sequences are the same: xxHash64 over ids, ends and masks, as little-endian int32. */
    public long digest() {
        Digest digest = new Digest();
        update(digest, new int[] {count(), tokens.length});
        update(digest, ends);
        update(digest, tokens);
        update(digest, masked.stream().toArray());
        return digest.value();
    }

    private static void update(Digest digest, int[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * DIGEST_CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < values.length; at += DIGEST_CHUNK) {
            int count = Math.min(DIGEST_CHUNK, values.length - at);
            bytes.asIntBuffer().put(values, at, count);
            digest.update(bytes.array(), 0, 4 * count);
        }
    }
}
