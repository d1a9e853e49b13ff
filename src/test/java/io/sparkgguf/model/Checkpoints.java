package io.sparkgguf.model;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** Configurations and tensor lists of the fixtures, as they are or bent. */
final class Checkpoints {
    static final List<String> FIXTURES = List.of("llama", "llama3-rope-scaled-tied", "mistral", "qwen2", "qwen3");

    private Checkpoints() {}

    static byte[] resource(String path) {
        try (InputStream in = Checkpoints.class.getResourceAsStream("/" + path)) {
            if (in == null) {
                throw new IllegalArgumentException("Cannot find resource " + path);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static byte[] configBytes(String fixture) {
        return resource("fixtures/" + fixture + "/config.json");
    }

    static HfConfig config(String fixture) {
        return HfConfig.parse("config.json", configBytes(fixture));
    }

    /** A fixture's configuration after {@code change}. */
    static HfConfig config(String fixture, Consumer<ObjectNode> change) {
        try {
            JsonMapper mapper = new JsonMapper();
            ObjectNode node = (ObjectNode) mapper.readTree(configBytes(fixture));
            change.accept(node);
            return HfConfig.parse("config.json", mapper.writeValueAsBytes(node));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** With ' for ". */
    static HfConfig json(String text) {
        return HfConfig.parse("config.json", text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }

    /** A fixture's tensors, laid one after the other. */
    static List<TensorLocation> tensors(String fixture) {
        List<TensorLocation> tensors = new ArrayList<>();
        String table = new String(resource("fixtures/" + fixture + "/tensors.tsv"), StandardCharsets.UTF_8);
        table.lines().filter(line -> !line.startsWith("#")).forEach(line -> {
            String[] cells = line.split("\t");
            long[] shape = Arrays.stream(cells[2].split(","))
                    .mapToLong(Long::parseLong)
                    .toArray();
            add(tensors, cells[0], DType.of(cells[1]).orElseThrow(), shape);
        });
        return tensors;
    }

    static void add(List<TensorLocation> tensors, String name, DType dtype, long... dimensions) {
        long offset = tensors.stream().mapToLong(TensorLocation::length).sum();
        Shape shape = Shape.of(dimensions);
        tensors.add(new TensorLocation(name, dtype, shape, "model.safetensors", offset, dtype.bytes(shape.elements())));
    }

    static Model map(HfConfig config, List<TensorLocation> tensors) {
        return CheckpointMapping.map(config, Optional.empty(), "folder", tensors);
    }

    static List<String> lines(Model model) {
        return model.metadata().asMap().entrySet().stream()
                .map(entry -> entry.getKey() + " " + show(entry.getValue()))
                .toList();
    }

    private static String show(MetadataValue value) {
        if (value instanceof MetadataValue.Int number) {
            return number.type() + " " + number.value();
        }
        return value instanceof MetadataValue.Real number
                ? number.type() + " " + (float) number.value()
                : value.type() + " " + value;
    }
}
