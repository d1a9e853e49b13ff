package io.sparkgguf.calibrate.text;

import io.sparkgguf.model.tokenizer.TokenizerFacts;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Arrays;

/** Token ids of documents, gathered in the order of reading up to a limit. */
final class Documents {
    /** Most tokens that are held: 4 GiB of them. */
    static final int MAX_TOKENS = 1 << 30;

    private final TokenizerFacts facts;
    private final boolean beginEach;
    private int[] tokens = new int[1 << 12];
    private int size;
    private int[] ends = new int[16];
    private boolean[] whole = new boolean[16];
    private int count;
    private int limit = MAX_TOKENS;
    private boolean cut;
    private boolean framed;
    private boolean open;
    private boolean missing;

    /** @param beginEach whether each document is begun and ended, or only the first is begun */
    Documents(TokenizerFacts facts, boolean beginEach) {
        this.facts = facts;
        this.beginEach = beginEach;
    }

    /** Sets how many tokens there may be in all. */
    void limit(int tokensInAll) {
        limit = tokensInAll;
    }

    boolean isFull() {
        return size >= limit;
    }

    /** Whether a limit kept tokens out. */
    boolean isCut() {
        return cut;
    }

    /** Says that more was there than the limit let in. */
    void markCut() {
        cut = true;
    }

    /**
     * Begins a document.
     *
     * @param frame whether it gets the tokens that the model adds to text; ids that were given as such do not
     */
    void begin(boolean frame) {
        open = false;
        missing = false;
        framed = frame;
    }

    /** Adds {@code ids[from .. to)} to the document. */
    void add(int[] ids, int from, int to) {
        if (from >= to) {
            return;
        }
        if (!open) {
            open = true;
            boolean begins = framed && facts.addsBos() && (beginEach || count == 0);
            if (begins && ids[from] != facts.bos().getAsInt()) {
                append(facts.bos().getAsInt());
            }
        }
        int room = Math.max(0, Math.min(to - from, limit - size));
        missing |= room < to - from;
        cut |= missing;
        require(room);
        System.arraycopy(ids, from, tokens, size, room);
        size += room;
    }

    private void append(int id) {
        if (isFull()) {
            missing = true;
            cut = true;
            return;
        }
        require(1);
        tokens[size++] = id;
    }

    private void require(int more) {
        if (more > tokens.length - size) {
            int doubled = (int) Math.min(Integer.MAX_VALUE - 8, 2L * tokens.length);
            tokens = Arrays.copyOf(tokens, Math.max(doubled, size + more));
        }
    }

    /** Ends the document; one without tokens is none. @param complete whether all of it was read */
    void end(boolean complete) {
        if (!open) {
            return;
        }
        if (framed
                && beginEach
                && complete
                && facts.addsEos()
                && tokens[size - 1] != facts.eos().getAsInt()) {
            append(facts.eos().getAsInt());
        }
        if (size == (count == 0 ? 0 : ends[count - 1])) {
            return; // the limit kept all of it out
        }
        if (count == ends.length) {
            ends = Arrays.copyOf(ends, 2 * count);
            whole = Arrays.copyOf(whole, 2 * count);
        }
        ends[count] = size;
        whole[count] = complete && !missing;
        count++;
    }

    int count() {
        return count;
    }

    /** Tokens in all. */
    int size() {
        return size;
    }

    int start(int document) {
        return document == 0 ? 0 : ends[document - 1];
    }

    int end(int document) {
        return ends[document];
    }

    /** Whether the end of the document is among its tokens. */
    boolean isWhole(int document) {
        return whole[document];
    }

    /** The array that holds them; more may follow the last. */
    int[] tokens() {
        return tokens;
    }

    /** @throws InvalidInputException when an id, of text that the tokenizer cut, is none of the model's */
    void requireKnown(int from, TextFile file) {
        for (int i = from; i < size; i++) {
            if (tokens[i] < 0 || facts.vocabulary() > 0 && tokens[i] >= facts.vocabulary()) {
                throw file.refuse("the tokenizer made token id " + tokens[i] + " of it, beyond the vocabulary of "
                        + facts.vocabulary());
            }
        }
    }
}
