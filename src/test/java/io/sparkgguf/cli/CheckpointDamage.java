package io.sparkgguf.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Copies of checkpoints, damaged on purpose. */
final class CheckpointDamage {
    private static final ObjectMapper JSON = new ObjectMapper();

    private CheckpointDamage() {}

    /** Something done to a checkpoint's folder. */
    interface Change {
        void apply(Path folder) throws IOException;
    }

    /** Copies the files of a folder into a new one and returns it. */
    static Path copy(Path folder, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
        return to;
    }

    /** JSON with ' for ". */
    static JsonNode json(String text) {
        try {
            return JSON.readTree(text.replace('\'', '"'));
        } catch (IOException e) {
            throw new IllegalArgumentException(text, e);
        }
    }

    /** Changes a file of one JSON object. */
    static void editJson(Path file, Consumer<ObjectNode> change) throws IOException {
        ObjectNode root = (ObjectNode) JSON.readTree(file.toFile());
        change.accept(root);
        JSON.writeValue(file.toFile(), root);
    }

    /** The header of a safetensors file. */
    static ObjectNode header(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        return (ObjectNode) JSON.readTree(Arrays.copyOfRange(bytes, 8, dataStart(bytes)));
    }

    /** Changes the header of a safetensors file and keeps its data. */
    static void editHeader(Path file, Consumer<ObjectNode> change) throws IOException {
        ObjectNode header = header(file);
        change.accept(header);
        replaceHeader(file, JSON.writeValueAsString(header));
    }

    /** Puts any text in place of the header of a safetensors file, its length before it, and keeps the data. */
    static void replaceHeader(Path file, String header) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        int dataStart = dataStart(bytes);
        ByteBuffer changed = ByteBuffer.allocate(8 + text.length + bytes.length - dataStart)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(text.length)
                .put(text)
                .put(bytes, dataStart, bytes.length - dataStart);
        Files.write(file, changed.array());
    }

    private static int dataStart(byte[] safetensors) {
        return Math.toIntExact(
                8 + ByteBuffer.wrap(safetensors).order(ByteOrder.LITTLE_ENDIAN).getLong());
    }

    /** The byte of a safetensors file at which a weight of two bytes lies. */
    static long byteOf(Path file, String tensor, long row, long column) throws IOException {
        JsonNode entry = header(file).get(tensor);
        long columns = entry.get("shape").get(entry.get("shape").size() - 1).longValue();
        return dataStart(Files.readAllBytes(file))
                + entry.get("data_offsets").get(0).longValue()
                + 2 * (row * columns + column);
    }

    /** Overwrites bytes of a file. */
    static void poke(Path file, long at, byte... bytes) throws IOException {
        try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
            out.seek(at);
            out.write(bytes);
        }
    }

    /** Cuts a file, or makes it longer. */
    static void resize(Path file, long length) throws IOException {
        try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
            out.setLength(length);
        }
    }

    /** {@code count} little-endian bytes of a number. */
    static byte[] bytes(long value, int count) {
        return Arrays.copyOf(
                ByteBuffer.allocate(8)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(value)
                        .array(),
                count);
    }
}
