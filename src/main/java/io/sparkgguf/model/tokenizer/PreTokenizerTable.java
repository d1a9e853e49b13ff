package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.StreamSupport;

/**
 * llama.cpp's pre-tokenizers by what they do: pre-tokenizers.json beside this class. Its {@code ids} are all that
 * llama.cpp accepts; its {@code structures} say, for those that cut text by known patterns, which patterns, in the
 * spelling of tokenizer.json, whether a word that is a token is looked up before merging, and whether spaces before
 * punctuation are dropped in printing. Several ids that do the same are listed once.
 */
final class PreTokenizerTable {
    private final TreeSet<String> ids = new TreeSet<>();
    private final Map<String, String> notes = new HashMap<>();
    private final List<Entry> entries = new ArrayList<>();

    /** @param steps patterns that cut the text one after another, in canonical spelling */
    record Entry(String id, boolean ignoresMerges, boolean cleansSpaces, List<String> steps) {}

    private PreTokenizerTable() {}

    static PreTokenizerTable load() {
        PreTokenizerTable table = new PreTokenizerTable();
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(Resources.bytes("pre-tokenizers.json"));
        } catch (IOException e) {
            throw new UncheckedIOException("Cannot read the resource pre-tokenizers.json", e);
        }
        root.path("ids").forEach(id -> table.ids.add(id.textValue()));
        root.path("notes")
                .properties()
                .forEach(note -> table.notes.put(note.getKey(), note.getValue().textValue()));
        for (JsonNode entry : root.path("structures")) {
            List<String> steps = StreamSupport.stream(entry.path("steps").spliterator(), false)
                    .map(step -> canonical(step.textValue()))
                    .toList();
            table.entries.add(new Entry(
                    entry.path("id").textValue(),
                    entry.path("ignore_merges").asBoolean(),
                    entry.path("clean_spaces").asBoolean(),
                    steps));
        }
        return table;
    }

    boolean isKnown(String id) {
        return ids.contains(id);
    }

    /** What llama.cpp does otherwise under this id, or null. */
    String note(String id) {
        return notes.get(id);
    }

    String idList() {
        return String.join(", ", ids);
    }

    List<Entry> entries() {
        return List.copyOf(entries);
    }

    List<Entry> withSteps(List<String> steps) {
        return entries.stream().filter(entry -> entry.steps().equals(steps)).toList();
    }

    /** Spellings of one and the same pattern, and the one that the table uses. */
    private static final Map<String, String> SPELLINGS = spellings();

    private static Map<String, String> spellings() {
        String contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
        Map<String, String> spellings = new LinkedHashMap<>();
        spellings.put("\r", "\\r");
        spellings.put("\n", "\\n");
        spellings.put("\t", "\\t");
        spellings.put("'(?i:[sdmt]|ll|ve|re)", contractions);
        spellings.put("'(?i:[sdtm]|ll|ve|re)", contractions);
        spellings.put("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", contractions);
        spellings.put("'(?:[sdmt]|ll|ve|re)|", "'s|'t|'re|'ve|'m|'ll|'d|");
        // Possessive repeats of a class that shares nothing with what follows are the plain ones.
        spellings.put("[^\\r\\n\\p{L}\\p{N}]?+", "[^\\r\\n\\p{L}\\p{N}]?");
        spellings.put("[^\\s\\p{L}\\p{N}]++", "[^\\s\\p{L}\\p{N}]+");
        spellings.put("\\p{L}++", "\\p{L}+");
        spellings.put("\\p{N}++", "\\p{N}+");
        spellings.put("\\p{N}{1,3}+", "\\p{N}{1,3}");
        spellings.put("\\p{N}{1}", "\\p{N}");
        // \s* takes all line breaks there are and gives back down to the last.
        spellings.put("\\s*[\\r\\n]|", "\\s*[\\r\\n]+|");
        spellings.put("\\s*[\\r\\n]++|", "\\s*[\\r\\n]+|");
        return spellings;
    }

    static String canonical(String pattern) {
        String canonical = Normalizer.normalize(pattern, Normalizer.Form.NFC);
        for (Map.Entry<String, String> spelling : SPELLINGS.entrySet()) {
            canonical = canonical.replace(spelling.getKey(), spelling.getValue());
        }
        return canonical;
    }

    /**
     * How a tokenizer.json cuts text.
     *
     * @param steps patterns in canonical spelling
     * @param obstacle what it does that no pattern says and llama.cpp does not do; null when there is none
     */
    record Structure(List<String> steps, String obstacle) {
        private static final String GPT2 =
                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

        static Structure of(FastTokenizer tokenizer) {
            String obstacle = null;
            for (JsonNode step : tokenizer.steps("normalizer", "normalizers")) {
                if (!FastTokenizer.isType(step, "NFC") && !FastTokenizer.isType(step, "ByteLevel")) {
                    obstacle = "its normalizer is "
                            + JsonInput.quote(step.path("type").asText("")) + ", which llama.cpp does not do";
                }
            }
            List<String> steps = new ArrayList<>();
            for (JsonNode step : tokenizer.steps("pre_tokenizer", "pretokenizers")) {
                String found = add(step, steps);
                obstacle = obstacle == null ? found : obstacle;
            }
            return new Structure(List.copyOf(steps), obstacle);
        }

        /** Adds the patterns of one step; returns what stands in the way, or null. */
        private static String add(JsonNode step, List<String> steps) {
            String type = step.path("type").asText("");
            switch (type) {
                case "ByteLevel" -> {
                    if (step.path("use_regex").asBoolean(true)) {
                        steps.add(GPT2);
                    }
                    return step.path("add_prefix_space").asBoolean(true)
                            ? "it puts a space before text, which llama.cpp does not do here"
                            : null;
                }
                case "Digits" -> {
                    steps.add(step.path("individual_digits").asBoolean() ? "\\p{N}" : "\\p{N}+");
                    return null;
                }
                case "Punctuation" -> {
                    String behavior = step.path("behavior").asText("Isolated");
                    steps.add("punctuation " + behavior);
                    return null;
                }
                case "Split" -> {
                    return addSplit(step, steps);
                }
                default -> {
                    return "its step " + JsonInput.quote(type) + " is none that llama.cpp does";
                }
            }
        }

        private static String addSplit(JsonNode step, List<String> steps) {
            String pattern = step.path("pattern").path("Regex").textValue();
            if (pattern == null) {
                return "it splits by the text "
                        + JsonInput.quote(step.path("pattern").toString());
            }
            String canonical = canonical(pattern);
            String behavior = step.path("behavior").asText("");
            boolean invert = step.path("invert").asBoolean();
            // Dropping what does not match is the same where everything matches: such patterns end in any space.
            boolean isolates = behavior.equals("Isolated") && !invert
                    || behavior.equals("Removed") && invert && canonical.endsWith("|\\s+");
            if (!isolates) {
                return "it splits with the behavior " + JsonInput.quote(behavior) + (invert ? ", inverted" : "");
            }
            steps.add(canonical);
            return null;
        }

        @Override
        public String toString() {
            StringBuilder text = new StringBuilder();
            for (String step : steps) {
                text.append(text.isEmpty() ? "" : ", then ").append(JsonInput.quote(step));
            }
            return text.toString();
        }
    }
}
