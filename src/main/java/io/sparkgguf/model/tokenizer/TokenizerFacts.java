package io.sparkgguf.model.tokenizer;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What the {@code tokenizer.*} keys of a GGUF file say of ids; where they say nothing, what llama.cpp takes instead.
 *
 * @param vocabulary number of ids, 0 when the file has no list of tokens
 * @param bos id that begins a text
 * @param eos id that ends a text
 * @param padding id that fills up rows of unequal length
 * @param addsBos whether a text gets {@code bos} first
 * @param addsEos whether a text gets {@code eos} last
 */
public record TokenizerFacts(
        int vocabulary, OptionalInt bos, OptionalInt eos, OptionalInt padding, boolean addsBos, boolean addsEos) {
    private static final String PREFIX = "tokenizer.ggml.";

    /** Pre-tokenizers of byte-level BPE for which llama.cpp adds the first token unless the file says no. */
    private static final Set<String> BEGINNING = Set.of(
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
            "tekken",
            "chameleon");

    public static TokenizerFacts of(Metadata metadata) {
        String model = metadata.string(PREFIX + "model").orElse("");
        boolean addsBos = switch (model) {
            case "llama", "bert" -> true;
            case "gpt2" -> BEGINNING.contains(metadata.string(PREFIX + "pre").orElse(""));
            default -> false;
        };
        int vocabulary = tokens(metadata).map(MetadataValue.Strings::count).orElse(0);
        OptionalInt bos = id(
                metadata,
                "bos",
                switch (model) {
                    case "llama" -> 1;
                    case "bert" -> 101;
                    case "gpt2" -> 11;
                    default -> -1;
                },
                vocabulary);
        OptionalInt eos = id(
                metadata,
                "eos",
                switch (model) {
                    case "llama" -> 2;
                    case "gpt2" -> 11;
                    case "t5" -> 1;
                    default -> -1;
                },
                vocabulary);
        return new TokenizerFacts(
                vocabulary,
                bos,
                eos,
                id(metadata, "padding", -1, vocabulary),
                bos.isPresent() && flag(metadata, "bos").orElse(addsBos),
                eos.isPresent() && flag(metadata, "eos").orElse(model.equals("t5")));
    }

    /** The tokens' texts in order of their ids, as the file has them. */
    public static Optional<MetadataValue.Strings> tokens(Metadata metadata) {
        return metadata.get(PREFIX + "tokens")
                .filter(MetadataValue.Strings.class::isInstance)
                .map(MetadataValue.Strings.class::cast);
    }

    private static Optional<Boolean> flag(Metadata metadata, String name) {
        return metadata.get(PREFIX + "add_" + name + "_token")
                .filter(MetadataValue.Bool.class::isInstance)
                .map(value -> ((MetadataValue.Bool) value).value());
    }

    /** An id that no token has counts as absent, as llama.cpp warns and goes on. */
    private static OptionalInt id(Metadata metadata, String name, int absent, int vocabulary) {
        long id = metadata.integer(PREFIX + name + "_token_id").orElse(-1L);
        if (id < 0 || id >= vocabulary) {
            id = absent;
        }
        return id >= 0 && id < vocabulary ? OptionalInt.of((int) id) : OptionalInt.empty();
    }
}
