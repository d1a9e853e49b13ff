package io.sparkgguf.validate;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The numbers of a decoder that decide the shapes of its tensors.
 *
 * @param layers blocks, from 1 to 512
 * @param embedding width of the residual stream
 * @param feedForward width inside the feed-forward part
 * @param heads query heads
 * @param keyValueHeads heads of keys and values
 * @param keyLength elements of a query or key head
 * @param valueLength elements of a value head
 * @param ropeDimensions elements of a head that are rotated
 * @param experts 0 for a dense model
 * @param labels outputs of a classifier, 1 unless named
 * @param longRope whether positions are scaled by two lists of factors
 * @param vocabulary tokens, or -1 when the tokenizer does not tell
 */
record Hyperparameters(
        int layers,
        long embedding,
        long feedForward,
        long heads,
        long keyValueHeads,
        long keyLength,
        long valueLength,
        long ropeDimensions,
        long experts,
        long labels,
        boolean longRope,
        long vocabulary) {
    static final int MAX_LAYERS = 512;
    static final int MAX_EXPERTS = 1024;

    /** Ours, for products to stay within a long. */
    private static final long MAX_HEADS = 1 << 20;

    private static final Set<String> ROPE_SCALINGS = Set.of("none", "linear", "yarn", "longrope");

    long queries() {
        return keyLength * heads;
    }

    long keys() {
        return keyLength * keyValueHeads;
    }

    long values() {
        return valueLength * keyValueHeads;
    }

    /**
     * The numbers under the architecture's keys; empty, with findings, when one that shapes depend on is missing or wrong.
     *
     * @param vocabulary tokens, or -1
     */
    static Optional<Hyperparameters> read(Metadata metadata, String architecture, long vocabulary, Findings findings) {
        Keys keys = new Keys(metadata, findings);
        String prefix = architecture + ".";
        keys.required(prefix + "context_length");
        keys.requiredF32(prefix + "attention.layer_norm_rms_epsilon");
        checkRope(keys, prefix, findings);
        long embedding = positive(keys.required(prefix + "embedding_length"), prefix + "embedding_length", findings);
        long layers = positive(keys.required(prefix + "block_count"), prefix + "block_count", findings);
        if (layers > MAX_LAYERS) {
            findings.error(
                    prefix + "block_count",
                    prefix + "block_count is " + layers + ", but llama.cpp has room for " + MAX_LAYERS + " layers");
            return Optional.empty();
        }
        long feedForward = layerNumber(keys, prefix + "feed_forward_length", layers, findings);
        long heads = layerNumber(keys, prefix + "attention.head_count", layers, findings);
        if (embedding < 1 || layers < 1 || feedForward < 1 || heads < 1) {
            return Optional.empty();
        }
        String keyValueKey = prefix + "attention.head_count_kv";
        long keyValueHeads = metadata.contains(keyValueKey)
                ? positive(keys.perLayer(keyValueKey, layers), keyValueKey, findings)
                : heads;
        long keyLength = keys.u32(prefix + "attention.key_length").orElse(embedding / heads);
        long valueLength = keys.u32(prefix + "attention.value_length").orElse(embedding / heads);
        long rope = keys.u32(prefix + "rope.dimension_count").orElse(keyLength);
        if (keyValueHeads < 1) {
            return Optional.empty();
        }
        Hyperparameters read = new Hyperparameters(
                (int) layers,
                embedding,
                feedForward,
                heads,
                keyValueHeads,
                keyLength,
                valueLength,
                rope,
                experts(keys, prefix, findings),
                labels(metadata, prefix),
                metadata.string(prefix + "rope.scaling.type").orElse("").equals("longrope"),
                vocabulary);
        return read.agrees(prefix, findings) ? Optional.of(read) : Optional.empty();
    }

    private static long positive(OptionalLong value, String key, Findings findings) {
        if (value.isPresent() && value.getAsLong() < 1) {
            findings.error(key, key + " is " + value.getAsLong() + ", but must be at least 1");
        }
        return value.orElse(0);
    }

    private static long layerNumber(Keys keys, String key, long layers, Findings findings) {
        return keys.present(key) ? positive(keys.perLayer(key, layers), key, findings) : 0;
    }

    private static void checkRope(Keys keys, String prefix, Findings findings) {
        keys.f32(prefix + "rope.scaling.factor");
        keys.f32(prefix + "rope.freq_base").ifPresent(base -> {
            if (!(base > 0) || Double.isInfinite(base)) {
                findings.error(
                        prefix + "rope.freq_base", prefix + "rope.freq_base is " + base + ", but must be positive");
            }
        });
        keys.u32(prefix + "rope.scaling.original_context_length");
        keys.text(prefix + "rope.scaling.type").ifPresent(type -> {
            if (!ROPE_SCALINGS.contains(type)) {
                findings.error(
                        prefix + "rope.scaling.type",
                        prefix + "rope.scaling.type is \"" + type + "\", but must be none, linear, yarn or longrope");
            }
        });
    }

    private static long experts(Keys keys, String prefix, Findings findings) {
        long experts = keys.u32(prefix + "expert_count").orElse(0);
        long used = keys.u32(prefix + "expert_used_count").orElse(0);
        if (experts > MAX_EXPERTS) {
            findings.error(
                    prefix + "expert_count",
                    prefix + "expert_count is " + experts + ", but llama.cpp has room for " + MAX_EXPERTS);
        }
        if (used > experts || experts > 0 && used < 1) {
            findings.error(
                    prefix + "expert_used_count",
                    prefix + "expert_used_count is " + used + " for " + experts + " experts");
        }
        return experts;
    }

    private static long labels(Metadata metadata, String prefix) {
        return metadata.get(prefix + "classifier.output_labels")
                .filter(MetadataValue.Strings.class::isInstance)
                .map(value -> (long) ((MetadataValue.Strings) value).count())
                .orElse(1L);
    }

    /** What the computation asserts of the numbers among themselves. */
    private boolean agrees(String prefix, Findings findings) {
        if (keyLength != valueLength || keyLength != ropeDimensions || keyLength < 1) {
            findings.error(
                    prefix + "attention.key_length",
                    "heads have " + keyLength + " elements of keys, " + valueLength + " of values and " + ropeDimensions
                            + " that are rotated, but all three must be the same");
        }
        if (heads % keyValueHeads != 0) {
            findings.error(
                    prefix + "attention.head_count_kv",
                    heads + " heads cannot share " + keyValueHeads + " heads of keys and values evenly");
        }
        boolean fits = Math.max(keyLength, valueLength) <= MAX_HEADS && Math.max(heads, keyValueHeads) <= MAX_HEADS;
        if (!fits) {
            findings.error(
                    prefix + "attention.head_count",
                    heads + " heads of " + keyLength + " elements exceed the limit of " + MAX_HEADS + " each");
        }
        return fits;
    }
}
