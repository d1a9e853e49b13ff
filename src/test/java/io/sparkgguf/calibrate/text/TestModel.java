package io.sparkgguf.calibrate.text;

import io.sparkgguf.model.tokenizer.TokenizerFiles;
import io.sparkgguf.model.tokenizer.TokenizerMetadata;
import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The small natural llama's tokenizer, in memory, and files beside it. */
final class TestModel {
    static final String FOLDER = "model";
    static final int VOCABULARY = 4096;
    static final int BOS = 4094;
    static final int EOS = 4095;

    final MemoryStorage storage = new MemoryStorage();
    final Metadata metadata;

    TestModel() throws IOException {
        for (String file : List.of("tokenizer.json", "tokenizer_config.json", "config.json")) {
            storage.put(FOLDER + "/" + file, resource(file));
        }
        metadata = TokenizerMetadata.read(TokenizerFiles.read(storage, FOLDER), VOCABULARY, null)
                .metadata();
    }

    static byte[] resource(String file) throws IOException {
        try (InputStream in = TestModel.class.getResourceAsStream("/models/docs-lm/" + file)) {
            return in.readAllBytes();
        }
    }

    TestModel put(String file, String text) {
        return put(file, text.getBytes(StandardCharsets.UTF_8));
    }

    TestModel put(String file, byte[] bytes) {
        storage.put(file, bytes);
        return this;
    }

    TokenSequences read(TextSettings settings) throws IOException {
        return CalibrationText.read(storage, metadata, FOLDER, settings);
    }

    /** All of a file, in order, in sequences of {@code length}. */
    TokenSequences llama(String file, int length) throws IOException {
        return read(TextSettings.llama("evaluate", List.of(file), null, length));
    }

    /** Documents of some files, packed by seed. */
    TokenSequences packed(int length, long tokens, long seed, String... files) throws IOException {
        return read(new TextSettings("calibrate", List.of(files), null, length, tokens, seed, Packing.DOCUMENTS));
    }

    static byte[] int32(int... ids) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * ids.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(ids);
        return bytes.array();
    }

    /** A safetensors file of one tensor. @param shape as JSON writes it */
    static byte[] safetensors(String name, String type, String shape, byte[] data) {
        byte[] header = ("{\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[0,"
                        + data.length + "]}}")
                .getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .put(data)
                .array();
    }
}
