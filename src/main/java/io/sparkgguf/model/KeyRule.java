package io.sparkgguf.model;

import io.sparkgguf.tensor.Metadata;

/** One line of an architecture's page: a key of GGUF's metadata and where its value comes from. */
@FunctionalInterface
interface KeyRule {

    /** @param prefix the architecture's name and a dot */
    void put(Metadata metadata, String prefix, Facts facts);

    /** What a page's rules may look at. */
    record Facts(HfConfig config, Sizes sizes, RopeParameters rope, String who) {}

    /** A u32 of a size. */
    static KeyRule size(String key, String size) {
        return (metadata, prefix, facts) ->
                metadata.putU32(prefix + key, facts.sizes().get(size));
    }

    /** A u32 of a size, only where the configuration itself gives it. */
    static KeyRule sizeIfGiven(String key, String size) {
        return (metadata, prefix, facts) -> {
            if (facts.config().has(size)) {
                metadata.putU32(prefix + key, facts.sizes().get(size));
            }
        };
    }

    /** An f32 of a positive number that must be there. */
    static KeyRule real(String key, String name) {
        return (metadata, prefix, facts) -> {
            double value = facts.config().needReal(name, facts.who());
            if (value <= 0) {
                throw facts.config().unusable(name + " is " + value + ", not positive");
            }
            metadata.putF32(prefix + key, (float) value);
        };
    }

    /** The keys of rotary position. */
    static KeyRule rope() {
        return (metadata, prefix, facts) -> facts.rope().put(metadata, prefix);
    }
}
