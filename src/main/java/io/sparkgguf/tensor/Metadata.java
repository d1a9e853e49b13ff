package io.sparkgguf.tensor;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * The ordered, typed key-value pairs that describe a model in a GGUF file. Mutable while a file is planned; the order
 * of insertion is the order in the file, and setting a key again keeps its place.
 */
public final class Metadata {
    private final Map<String, MetadataValue> values = new LinkedHashMap<>();

    /** Sets {@code key}, keeping its place when it is already there. */
    public Metadata put(String key, MetadataValue value) {
        Objects.requireNonNull(key, "key");
        Objects.requireNonNull(value, "value");
        values.put(key, value);
        return this;
    }

    public Metadata putAll(Metadata other) {
        other.values.forEach(this::put);
        return this;
    }

    public Metadata putString(String key, String value) {
        return put(key, new MetadataValue.Text(value));
    }

    public Metadata putU32(String key, long value) {
        return put(key, MetadataValue.Int.of(MetadataType.U32, value));
    }

    public Metadata putF32(String key, float value) {
        return put(key, new MetadataValue.Real(MetadataType.F32, value));
    }

    public Metadata putBool(String key, boolean value) {
        return put(key, new MetadataValue.Bool(value));
    }

    public Metadata putStrings(String key, Collection<String> value) {
        return put(key, MetadataValue.Strings.of(value));
    }

    public Metadata remove(String key) {
        values.remove(key);
        return this;
    }

    public Optional<MetadataValue> get(String key) {
        return Optional.ofNullable(values.get(key));
    }

    public boolean contains(String key) {
        return values.containsKey(key);
    }

    /** The text under {@code key}, or empty when it is absent or not text. */
    public Optional<String> string(String key) {
        return get(key).filter(MetadataValue.Text.class::isInstance).map(v -> ((MetadataValue.Text) v).value());
    }

    /** The whole number under {@code key}, of any integer width, or empty when it is absent or not an integer. */
    public Optional<Long> integer(String key) {
        return get(key).filter(MetadataValue.Int.class::isInstance).map(v -> ((MetadataValue.Int) v).value());
    }

    /** Number of pairs. */
    public int size() {
        return values.size();
    }

    /** A read-only view in file order. */
    public Map<String, MetadataValue> asMap() {
        return Collections.unmodifiableMap(values);
    }

    /** A copy that can be changed by itself; the values are immutable and shared. */
    public Metadata copy() {
        return new Metadata().putAll(this);
    }
}
