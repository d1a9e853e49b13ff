package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The merges of a BPE model, best first: pairs of token ids and the token that each makes.
 *
 * <p>The algorithm they drive is that of the Hugging Face tokenizers library: of all adjacent pairs the one of lowest
 * rank is merged, the leftmost among equals, until none is left.
 */
final class Merges {
    /** Longest token, in characters, that the checks look into; longer ones count as not reached. */
    private static final int MAX_CHECKED = 512;

    /** Steps that {@link #reachAllBut} takes before it gives up; vocabularies of 200,000 tokens take some 20 million. */
    private static final long MAX_STEPS = 2_000_000_000L;

    private static final char SPACE_IN_MERGE = '\u0120';

    private final String[] tokens;
    private final int[] left;
    private final int[] right;
    private final int[] made;

    private Merges(String[] tokens, int[] left, int[] right, int[] made) {
        this.tokens = tokens;
        this.left = left;
        this.right = right;
        this.made = made;
    }

    /**
     * @param merges strings {@code "a b"} or pairs {@code ["a", "b"]}; of a pair that comes twice the later counts
     * @throws io.sparkgguf.tensor.InvalidInputException when a part, or what a merge makes, is no token
     */
    static Merges read(JsonInput json, JsonNode merges, Map<String, Integer> vocabulary) {
        if (!merges.isArray()) {
            throw json.refuse("model.merges is no list");
        }
        LinkedHashSet<Long> pairs = new LinkedHashSet<>(merges.size() * 2);
        Map<Long, Integer> results = new HashMap<>(merges.size() * 2);
        int index = 0;
        for (JsonNode merge : merges) {
            String[] parts = parts(json, merge, index);
            if (parts != null) {
                int first = known(json, vocabulary, parts[0], index);
                int second = known(json, vocabulary, parts[1], index);
                int result = known(json, vocabulary, parts[0] + parts[1], index);
                long pair = pair(first, second);
                pairs.remove(pair);
                pairs.add(pair);
                results.put(pair, result);
            }
            index++;
        }
        String[] tokens = new String
                [vocabulary.values().stream().mapToInt(id -> id + 1).max().orElse(0)];
        vocabulary.forEach((text, id) -> tokens[id] = text);
        int[] left = new int[pairs.size()];
        int[] right = new int[pairs.size()];
        int[] made = new int[pairs.size()];
        int rank = 0;
        for (long pair : pairs) {
            left[rank] = (int) (pair >>> 32);
            right[rank] = (int) pair;
            made[rank] = results.get(pair);
            rank++;
        }
        return new Merges(tokens, left, right, made);
    }

    /** The two parts, or null for the line of comment that old files begin with. */
    private static String[] parts(JsonInput json, JsonNode merge, int index) {
        if (merge.isTextual()) {
            String text = merge.textValue();
            if (text.startsWith("#version")) {
                return null;
            }
            int space = text.indexOf(' ');
            if (space > 0 && space < text.length() - 1 && text.indexOf(' ', space + 1) < 0) {
                return new String[] {text.substring(0, space), text.substring(space + 1)};
            }
        } else if (merge.isArray()
                && merge.size() == 2
                && merge.get(0).isTextual()
                && merge.get(1).isTextual()
                && !merge.get(0).textValue().isEmpty()
                && !merge.get(1).textValue().isEmpty()) {
            return new String[] {merge.get(0).textValue(), merge.get(1).textValue()};
        }
        throw json.refuse("merge " + index + " is not a pair of tokens: " + JsonInput.quote(merge.toString()));
    }

    private static int known(JsonInput json, Map<String, Integer> vocabulary, String part, int index) {
        Integer id = vocabulary.get(part);
        if (id == null) {
            throw json.refuse("merge " + index + " names " + JsonInput.quote(part) + ", which is no token");
        }
        return id;
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    int count() {
        return left.length;
    }

    /** The merges as {@code tokenizer.ggml.merges} has them: a space within a part is written as U+0120. */
    List<String> lines() {
        List<String> lines = new ArrayList<>(left.length);
        for (int rank = 0; rank < left.length; rank++) {
            lines.add(tokens[left[rank]].replace(' ', SPACE_IN_MERGE)
                    + ' '
                    + tokens[right[rank]].replace(' ', SPACE_IN_MERGE));
        }
        return lines;
    }

    /** Whether the merges make every token out of its own text, so that looking words up first changes nothing. */
    boolean reachAllBut(Set<String> exceptions) {
        Map<Long, Integer> ranks = new HashMap<>(left.length * 2);
        for (int rank = 0; rank < left.length; rank++) {
            ranks.put(pair(left[rank], right[rank]), rank);
        }
        Map<String, Integer> characters = new HashMap<>();
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] != null && tokens[id].codePointCount(0, tokens[id].length()) == 1) {
                characters.put(tokens[id], id);
            }
        }
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] != null && !exceptions.contains(tokens[id]) && !reach(tokens[id], id, characters, ranks)) {
                return false;
            }
        }
        return true;
    }

    private boolean reach(String text, int id, Map<String, Integer> characters, Map<Long, Integer> ranks) {
        int[] points = text.codePoints().toArray();
        if (points.length > MAX_CHECKED) {
            return false;
        }
        List<Integer> symbols = new ArrayList<>(points.length);
        for (int point : points) {
            Integer symbol = characters.get(Character.toString(point));
            if (symbol == null) {
                return false;
            }
            symbols.add(symbol);
        }
        while (symbols.size() > 1) {
            int best = Integer.MAX_VALUE;
            int at = -1;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                int rank = ranks.getOrDefault(pair(symbols.get(i), symbols.get(i + 1)), Integer.MAX_VALUE);
                if (rank < best) {
                    best = rank;
                    at = i;
                }
            }
            if (at < 0) {
                return false;
            }
            symbols.set(at, made[best]);
            symbols.remove(at + 1);
        }
        return !symbols.isEmpty() && symbols.get(0) == id;
    }

    /**
     * Scores that make SentencePiece's BPE follow the merges: minus the place of the first merge that makes a token.
     * Tokens that no merge makes come last.
     *
     * @return by id, up to the largest id of the vocabulary
     */
    float[] scores() {
        float[] scores = new float[tokens.length];
        int place = 0;
        for (int token : made) {
            if (scores[token] == 0) {
                scores[token] = - ++place;
            }
        }
        for (int id = 0; id < scores.length; id++) {
            if (scores[id] == 0) {
                scores[id] = -(place + 1);
            }
        }
        return scores;
    }

    /**
     * How many tokens SentencePiece's BPE, driven by {@link #scores}, could put together in a way or order that the
     * merges do not have. It joins any two neighbours whose text is a token; so for an exact match every way to halve
     * a token into tokens must be a merge, and the merges that make one token must stand together.
     */
    int madeOtherwise(Set<String> exceptions) {
        boolean[] otherwise = new boolean[tokens.length];
        Map<Long, Integer> listed = new HashMap<>(left.length * 2);
        boolean[] seen = new boolean[tokens.length];
        int previous = -1;
        for (int rank = 0; rank < made.length; rank++) {
            listed.put(pair(left[rank], right[rank]), rank);
            otherwise[made[rank]] |= made[rank] != previous && seen[made[rank]];
            seen[made[rank]] = true;
            previous = made[rank];
        }
        Map<String, Integer> ids = new HashMap<>(tokens.length * 2);
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] != null) {
                ids.put(tokens[id], id);
            }
        }
        int count = 0;
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] != null && !exceptions.contains(tokens[id])) {
                count += otherwise[id] || hasUnlistedHalves(tokens[id], ids, listed) ? 1 : 0;
            }
        }
        return count;
    }

    private static boolean hasUnlistedHalves(String text, Map<String, Integer> ids, Map<Long, Integer> listed) {
        if (text.length() > MAX_CHECKED) {
            return true;
        }
        for (int at = 1; at < text.length(); at++) {
            if (Character.isLowSurrogate(text.charAt(at))) {
                continue;
            }
            Integer first = ids.get(text.substring(0, at));
            Integer second = first == null ? null : ids.get(text.substring(at));
            if (second != null && !listed.containsKey(pair(first, second))) {
                return true;
            }
        }
        return false;
    }
}
