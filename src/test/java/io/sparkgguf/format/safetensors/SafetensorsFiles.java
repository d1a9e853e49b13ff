package io.sparkgguf.format.safetensors;

import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Safetensors files for tests, well-formed by the writer or put together by hand. */
final class SafetensorsFiles {
    static final String FILE = "memory/model.safetensors";

    private SafetensorsFiles() {}

    static SafetensorsWriter.Entry entry(String name, DType dtype, long... dimensions) {
        return new SafetensorsWriter.Entry(name, dtype, Shape.of(dimensions));
    }

    /** A whole file; every byte of data is its own position in the data, modulo 251. */
    static byte[] write(Map<String, String> metadata, SafetensorsWriter.Entry... tensors) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (SafetensorsWriter writer = new SafetensorsWriter(bytes, List.of(tensors), metadata)) {
            int at = 0;
            for (SafetensorsWriter.Entry tensor : tensors) {
                byte[] data = new byte[(int) tensor.bytes()];
                for (int i = 0; i < data.length; i++) {
                    data[i] = (byte) (at++ % 251);
                }
                writer.write(data, 0, data.length);
            }
        }
        return bytes.toByteArray();
    }

    /** A file of any header, right or wrong, before {@code dataBytes} zeros. */
    static byte[] raw(byte[] header, int dataBytes) {
        return ByteBuffer.allocate(8 + header.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .array();
    }

    /** The same, with ' for ". */
    static byte[] raw(String header, int dataBytes) {
        return raw(header.replace('\'', '"').getBytes(StandardCharsets.UTF_8), dataBytes);
    }

    static SafetensorsHeader read(byte[] file) throws IOException {
        try (RangeReader reader = new MemoryStorage().put(FILE, file).open(FILE)) {
            return SafetensorsReader.read(reader);
        }
    }
}
