package io.sparkgguf.format.safetensors;

import io.sparkgguf.tensor.TensorLocation;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one safetensors file holds.
 *
 * @param file its name
 * @param dataOffset first byte after the header
 * @param tensors in order of their bytes, each with its offset in the file; together they cover the data exactly
 * @param metadata the free text under {@code __metadata__}, in file order
 */
public record SafetensorsHeader(
        String file, long dataOffset, List<TensorLocation> tensors, Map<String, String> metadata) {
    public SafetensorsHeader {
        tensors = List.copyOf(tensors);
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    }
}
