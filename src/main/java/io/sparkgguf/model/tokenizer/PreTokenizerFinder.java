package io.sparkgguf.model.tokenizer;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Finds llama.cpp's id of a byte-level tokenizer's pre-tokenizer: the one that the user names, else the one whose known
 * digest the tokenizer has, else the one that cuts text by the same pattern.
 */
final class PreTokenizerFinder {
    /** Gives the digests of the test text under a tokenizer.json, best first. */
    interface Digester {
        /** @param first id that is put before text, or null */
        List<String> digests(byte[] tokenizerJson, Integer first) throws IOException;
    }

    private final PreTokenizerTable table = PreTokenizerTable.load();
    private final Map<String, String> known = knownDigests();
    private final Digester digester;
    private final List<String> notes;

    PreTokenizerFinder(Digester digester, List<String> notes) {
        this.digester = digester;
        this.notes = notes;
    }

    /**
     * @param first id that is put before text, or null
     * @param named by the user, or null
     * @throws InvalidInputException when the id named is unknown, or none is found
     */
    PreTokenizer find(
            FastTokenizer tokenizer,
            byte[] tokenizerJson,
            Integer first,
            Merges merges,
            JsonInput config,
            String named) {
        PreTokenizer found =
                named == null ? byDigest(tokenizer, tokenizerJson, first, merges, config) : PreTokenizer.named(named);
        if (table.note(found.id()) != null) {
            notes.add(table.note(found.id()));
        }
        return found;
    }

    private PreTokenizer byDigest(
            FastTokenizer tokenizer, byte[] tokenizerJson, Integer first, Merges merges, JsonInput config) {
        String digest = "none";
        try {
            List<String> digests = digester.digests(tokenizerJson, first);
            digest = digests.get(0);
            for (String candidate : digests) {
                String id = known.get(candidate);
                if (id != null && table.isKnown(id)) {
                    return new PreTokenizer(id, "its digest " + candidate.substring(0, 12) + " is that of " + id);
                }
            }
        } catch (IOException e) {
            notes.add("the pre-tokenizer was not looked up by digest, for the tokenizers library cannot be used ("
                    + JsonInput.oneLine(e.getMessage()) + ")");
        }
        return byStructure(tokenizer, merges, config, digest);
    }

    private PreTokenizer byStructure(FastTokenizer tokenizer, Merges merges, JsonInput config, String digest) {
        PreTokenizerTable.Structure structure = PreTokenizerTable.Structure.of(tokenizer);
        String reason = structure.obstacle();
        if (reason == null) {
            List<PreTokenizerTable.Entry> same = table.withSteps(structure.steps());
            List<PreTokenizerTable.Entry> candidates = same.stream()
                    .filter(entry -> entry.ignoresMerges() == tokenizer.ignoreMerges())
                    .toList();
            String also = "";
            if (candidates.isEmpty() && !same.isEmpty() && merges.reachAllBut(addedTexts(tokenizer))) {
                candidates = same;
                also = " (ignore_merges differs, which changes nothing: the merges reach every token)";
            }
            if (!candidates.isEmpty()) {
                String id = preferred(candidates, config).id();
                return new PreTokenizer(id, "it cuts text by the pattern of " + id + also);
            }
            reason = same.isEmpty()
                    ? "its pattern is not among those known: " + structure
                    : "its pattern is that of " + same.get(0).id() + ", but ignore_merges is "
                            + tokenizer.ignoreMerges() + " and its merges do not reach every token";
        }
        throw tokenizer
                .json()
                .refuse("the pre-tokenizer is unknown (digest " + digest + "): " + reason
                        + "; name the one that fits with --pre-tokenizer ID; known are " + table.idList());
    }

    /** Entries that cut alike differ in whether llama.cpp drops spaces before punctuation when it prints tokens. */
    private static PreTokenizerTable.Entry preferred(List<PreTokenizerTable.Entry> candidates, JsonInput config) {
        boolean cleans = config.get("clean_up_tokenization_spaces").asBoolean();
        return candidates.stream()
                .filter(entry -> entry.cleansSpaces() == cleans)
                .findFirst()
                .orElse(candidates.get(0));
    }

    private static Set<String> addedTexts(FastTokenizer tokenizer) {
        Set<String> texts = new HashSet<>();
        tokenizer.added().forEach(token -> texts.add(token.content()));
        return texts;
    }

    private static Map<String, String> knownDigests() {
        Map<String, String> digests = new HashMap<>();
        new String(Resources.bytes("pre-tokenizer-hashes.tsv"), StandardCharsets.UTF_8)
                .lines()
                .map(line -> line.split("\t"))
                .forEach(columns -> digests.put(columns[0], columns[1]));
        return digests;
    }
}
