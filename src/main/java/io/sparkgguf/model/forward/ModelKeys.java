package io.sparkgguf.model.forward;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Optional;

/** Reads the keys of one architecture from metadata, and complains in one line. */
final class ModelKeys {
    private final String model;
    private final String prefix;
    private final Metadata metadata;

    /**
     * @param model how complaints call the model
     * @param architecture the prefix of its keys
     */
    ModelKeys(String model, String architecture, Metadata metadata) {
        this.model = model;
        this.prefix = architecture + ".";
        this.metadata = metadata;
    }

    boolean has(String key) {
        return metadata.contains(prefix + key);
    }

    /** A key as the file has it. */
    String full(String key) {
        return prefix + key;
    }

    /** A whole number from 1 to 2^31 - 1. */
    int size(String key) {
        return size(key, Optional.empty());
    }

    int size(String key, int absent) {
        return size(key, Optional.of(absent));
    }

    private int size(String key, Optional<Integer> absent) {
        Optional<MetadataValue> found = metadata.get(prefix + key);
        if (found.isEmpty()) {
            return absent.orElseThrow(() -> unusable("its metadata has no " + prefix + key));
        }
        if (!(found.get() instanceof MetadataValue.Int number)) {
            throw unusable(prefix + key + " is " + described(found.get()) + ", not one whole number for all blocks");
        }
        if (number.value() < 1 || number.value() > Integer.MAX_VALUE) {
            throw unusable(prefix + key + " is " + number.value() + ", not from 1 to " + Integer.MAX_VALUE);
        }
        return (int) number.value();
    }

    /** A finite number. */
    double real(String key, double absent) {
        Optional<MetadataValue> found = metadata.get(prefix + key);
        if (found.isEmpty()) {
            return absent;
        }
        if (!(found.get() instanceof MetadataValue.Real number) || !Double.isFinite(number.value())) {
            throw unusable(prefix + key + " is " + described(found.get()) + ", not a finite real number");
        }
        return number.value();
    }

    double positive(String key, double absent) {
        double value = real(key, absent);
        if (value <= 0) {
            throw unusable(prefix + key + " is " + value + ", not positive");
        }
        return value;
    }

    double positive(String key) {
        if (!has(key)) {
            throw unusable("its metadata has no " + prefix + key);
        }
        return positive(key, 1);
    }

    String text(String key, String absent) {
        Optional<MetadataValue> found = metadata.get(prefix + key);
        if (found.isPresent() && !(found.get() instanceof MetadataValue.Text)) {
            throw unusable(prefix + key + " is " + described(found.get()) + ", not text");
        }
        return found.map(value -> ((MetadataValue.Text) value).value()).orElse(absent);
    }

    /** Refuses a key that changes what the model computes in a way this pass does not know. */
    void refuse(String key, double neutral) {
        Optional<MetadataValue> found = metadata.get(prefix + key);
        if (found.isEmpty()) {
            return;
        }
        double value = Double.NaN;
        if (found.get() instanceof MetadataValue.Int number) {
            value = number.value();
        } else if (found.get() instanceof MetadataValue.Real number) {
            value = number.value();
        } else if (found.get() instanceof MetadataValue.Bool flag) {
            value = flag.value() ? 1 : 0;
        }
        if (value != neutral) {
            throw unusable(prefix + key + " is " + described(found.get()) + ", which the forward pass does not know");
        }
    }

    InvalidInputException unusable(String reason) {
        return new InvalidInputException("Cannot run " + model + ": " + reason);
    }

    private static String described(MetadataValue value) {
        if (value instanceof MetadataValue.Int number) {
            return Long.toString(number.value());
        }
        if (value instanceof MetadataValue.Real number) {
            return Double.toString(number.value());
        }
        if (value instanceof MetadataValue.Bool flag) {
            return Boolean.toString(flag.value());
        }
        if (value instanceof MetadataValue.Text text) {
            String shown = text.value();
            return "'" + (shown.length() > 40 ? shown.substring(0, 40) + "..." : shown) + "'";
        }
        return "an array";
    }
}
