package io.sparkgguf.quant;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One file of vectors that ggml's compiled quantizers produced: an input of {@code rows} rows, two importances, and the
 * bytes of every type without and with them.
 */
record GoldenFile(String name, int rows, int columns, Map<String, byte[]> tensors) {
    static final List<String> NAMES = List.of(
            "bf16_rounded",
            "constant",
            "large",
            "normal",
            "outliers",
            "positive",
            "ternary",
            "tiny",
            "zero_blocks",
            "zeros");

    static GoldenFile read(String name) {
        byte[] file;
        try (InputStream in = GoldenFile.class.getResourceAsStream("/golden/" + name + ".safetensors")) {
            file = in.readAllBytes();
            int header = Math.toIntExact(
                    ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong());
            JsonNode root = new ObjectMapper().readTree(file, 8, header);
            Map<String, byte[]> tensors = new LinkedHashMap<>();
            root.properties().iterator().forEachRemaining(entry -> {
                JsonNode range = entry.getValue().path("data_offsets");
                if (range.isArray()) {
                    int from = 8 + header + range.get(0).intValue();
                    int to = 8 + header + range.get(1).intValue();
                    tensors.put(entry.getKey(), Arrays.copyOfRange(file, from, to));
                }
            });
            JsonNode shape = root.path("input").path("shape");
            return new GoldenFile(name, shape.get(0).intValue(), shape.get(1).intValue(), tensors);
        } catch (IOException e) {
            throw new IllegalStateException(name, e);
        }
    }

    float[] floats(String tensor) {
        byte[] bytes = tensors.get(tensor);
        float[] floats = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(floats);
        return floats;
    }

    float[] input() {
        return floats("input");
    }
}
