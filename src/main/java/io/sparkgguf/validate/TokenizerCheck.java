package io.sparkgguf.validate;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

/** Whether a tokenizer's metadata can be read: lists of one length, no token twice, special tokens that exist. */
final class TokenizerCheck {
    private static final String PREFIX = "tokenizer.ggml.";
    private static final String MODEL = PREFIX + "model";
    private static final String TEMPLATE = "tokenizer.chat_template";
    private static final String TOKENS = PREFIX + "tokens";

    private static final Set<String> WITHOUT_TOKENS = Set.of("none", "no_vocab");
    private static final Set<String> WITH_MERGES = Set.of("gpt2", "hybriddna", "whitespace");

    /** Ids of tokens, without prefix and {@code _token_id}; the third is misspelt in the format. */
    private static final List<String> SPECIAL = List.of(
            "bos",
            "eos",
            "seperator",
            "eot",
            "eom",
            "unknown",
            "padding",
            "mask",
            "fim_pre",
            "fim_suf",
            "fim_mid",
            "fim_pad",
            "fim_rep",
            "fim_sep");

    private static final List<String> FLAGS =
            List.of("add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix", "remove_extra_whitespaces");

    private final Metadata metadata;
    private final Findings findings;
    private final Keys keys;

    private TokenizerCheck(Metadata metadata, Findings findings) {
        this.metadata = metadata;
        this.findings = findings;
        this.keys = new Keys(metadata, findings);
    }

    /**
     * Checks the tokenizer.
     *
     * @return how many tokens it has, or -1 when that cannot be told
     */
    static long check(Metadata metadata, String architecture, Findings findings) {
        return new TokenizerCheck(metadata, findings).check(architecture);
    }

    private long check(String architecture) {
        if (!keys.present(MODEL)) {
            return -1;
        }
        String model = keys.text(MODEL).orElse("");
        keys.text(PREFIX + "pre");
        metadata.get(TEMPLATE)
                .filter(template -> template.type() != MetadataType.STRING)
                .ifPresent(template -> findings.warning(
                        TEMPLATE, TEMPLATE + " is of type " + template.type() + ", so that it is not used"));
        FLAGS.forEach(flag -> keys.bool(PREFIX + flag));
        OptionalLong stated = keys.u32(architecture + ".vocab_size");
        if (WITHOUT_TOKENS.contains(model)) {
            return stated.orElse(0);
        }
        if (!keys.present(TOKENS)) {
            return -1;
        }
        if (!(metadata.get(TOKENS).orElseThrow() instanceof MetadataValue.Strings tokens)) {
            findings.error(TOKENS, TOKENS + " must be an array of strings");
            return -1;
        }
        checkTwice(tokens);
        checkList("scores", tokens.count(), Set.of(MetadataType.F32, MetadataType.I32));
        checkList("token_type", tokens.count(), Set.of(MetadataType.I32));
        if (WITH_MERGES.contains(model)) {
            checkMerges();
        }
        for (String name : SPECIAL) {
            String key = PREFIX + name + "_token_id";
            keys.u32(key).ifPresent(id -> {
                if (id >= tokens.count()) {
                    findings.warning(key, key + " is " + id + ", but there are " + tokens.count() + " tokens");
                }
            });
        }
        if (stated.isPresent() && stated.getAsLong() != tokens.count()) {
            String key = architecture + ".vocab_size";
            findings.warning(key, key + " is " + stated.getAsLong() + ", but there are " + tokens.count() + " tokens");
        }
        return tokens.count();
    }

    private void checkTwice(MetadataValue.Strings tokens) {
        Map<String, Integer> seen = new HashMap<>();
        for (int i = 0; i < tokens.count(); i++) {
            // one char a byte: tokens need not be UTF-8
            String token = new String(tokens.bytes(i), StandardCharsets.ISO_8859_1);
            Integer before = seen.putIfAbsent(token, i);
            if (before != null && !token.isEmpty()) {
                findings.error(TOKENS, TOKENS + " has the same text at " + before + " and " + i);
            }
        }
    }

    private void checkList(String name, int tokens, Set<MetadataType> elements) {
        String key = PREFIX + name;
        MetadataValue value = metadata.get(key).orElse(null);
        if (value == null) {
            return;
        }
        if (!(value instanceof MetadataValue.Numbers numbers) || !elements.contains(numbers.element())) {
            String known = String.join(
                    " or ", elements.stream().map(MetadataType::name).sorted().toList());
            findings.error(key, key + " must be an array of " + known);
        } else if (numbers.count() < tokens) {
            findings.error(key, key + " has " + numbers.count() + " elements for " + tokens + " tokens");
        } else if (numbers.count() > tokens) {
            findings.warning(key, key + " has " + numbers.count() + " elements for only " + tokens + " tokens");
        }
    }

    private void checkMerges() {
        String key = PREFIX + "merges";
        boolean needless = metadata.string(PREFIX + "pre").orElse("").equals("kimi-k2");
        if (!metadata.contains(key) && needless) {
            return;
        }
        if (keys.present(key) && !(metadata.get(key).orElseThrow() instanceof MetadataValue.Strings)) {
            findings.error(key, key + " must be an array of strings");
        }
    }
}
