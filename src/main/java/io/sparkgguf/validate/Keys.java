package io.sparkgguf.validate;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * Reads metadata as llama.cpp does: a value of another type than expected is refused, be it an integer of another width.
 * What is wrong becomes a finding, and the value empty.
 */
final class Keys {
    private final Metadata metadata;
    private final Findings findings;

    Keys(Metadata metadata, Findings findings) {
        this.metadata = metadata;
        this.findings = findings;
    }

    OptionalLong required(String key) {
        return present(key) ? u32(key) : OptionalLong.empty();
    }

    OptionalLong u32(String key) {
        return typed(key, MetadataType.U32)
                .map(value -> OptionalLong.of(((MetadataValue.Int) value).value()))
                .orElse(OptionalLong.empty());
    }

    OptionalDouble requiredF32(String key) {
        return present(key) ? f32(key) : OptionalDouble.empty();
    }

    OptionalDouble f32(String key) {
        return typed(key, MetadataType.F32)
                .map(value -> OptionalDouble.of(((MetadataValue.Real) value).value()))
                .orElse(OptionalDouble.empty());
    }

    Optional<String> text(String key) {
        return typed(key, MetadataType.STRING).map(value -> ((MetadataValue.Text) value).value());
    }

    void bool(String key) {
        typed(key, MetadataType.BOOL);
    }

    boolean present(String key) {
        boolean present = metadata.contains(key);
        if (!present) {
            findings.error(key, "the metadata has no " + key + ", which this model needs");
        }
        return present;
    }

    /** A number, or the first of an array with one for each layer. */
    OptionalLong perLayer(String key, long layers) {
        if (!(metadata.get(key).orElse(null) instanceof MetadataValue.Numbers numbers)) {
            return u32(key);
        }
        if (numbers.element() != MetadataType.U32 && numbers.element() != MetadataType.I32) {
            findings.error(key, key + " is an array of " + numbers.element() + ", but must be one of U32 or I32");
            return OptionalLong.empty();
        }
        if (numbers.count() != layers) {
            findings.error(key, key + " has " + numbers.count() + " elements for " + layers + " layers");
            return OptionalLong.empty();
        }
        return OptionalLong.of(numbers.integer(0));
    }

    private Optional<MetadataValue> typed(String key, MetadataType type) {
        Optional<MetadataValue> value = metadata.get(key);
        if (value.isPresent() && value.get().type() != type) {
            findings.error(key, key + " is of type " + value.get().type() + ", but must be " + type);
            return Optional.empty();
        }
        return value;
    }
}
