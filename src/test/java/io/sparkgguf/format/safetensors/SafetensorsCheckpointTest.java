package io.sparkgguf.format.safetensors;

import static io.sparkgguf.format.safetensors.SafetensorsFiles.entry;
import static io.sparkgguf.format.safetensors.SafetensorsFiles.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsCheckpointTest {
    private static final String A = "model-00001-of-00002.safetensors";
    private static final String B = "model-00002-of-00002.safetensors";
    private static final String INDEX = "in/model.safetensors.index.json";

    /** Two shards, A of x and y, B of z, and the index that fits them. */
    private static MemoryStorage sharded(UnaryOperator<String> index) {
        try {
            return new MemoryStorage()
                    .put("in/" + A, write(Map.of("format", "pt"), entry("x", DType.F32, 2), entry("y", DType.U8, 3)))
                    .put("in/" + B, write(Map.of("format", "pt", "by", "b"), entry("z", DType.BF16, 2, 2)))
                    .put(
                            INDEX,
                            bytes(index.apply("{'metadata':{'total_size':19,'deep':[{}]},'weight_map':{'x':'" + A
                                    + "','y':'" + A + "','z':'" + B + "'}}")));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] bytes(String json) {
        return json.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    }

    private static String refusal(MemoryStorage storage) {
        return assertThrows(InvalidInputException.class, () -> SafetensorsCheckpoint.open(storage, "in"))
                .getMessage();
    }

    @Test
    void one_file_is_a_checkpoint() throws IOException {
        MemoryStorage storage = new MemoryStorage()
                .put("in/model.safetensors", write(Map.of("format", "pt"), entry("x", DType.F16, 2)))
                .put("in/consolidated.safetensors", new byte[] {1, 2, 3});
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.open(storage, "in");
        assertEquals(List.of("in/model.safetensors"), checkpoint.files());
        assertEquals("x", checkpoint.tensors().get(0).name());
        assertEquals(Map.of("format", "pt"), checkpoint.metadata());
    }

    @Test
    void shards_are_joined() throws IOException {
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.open(sharded(index -> index), "in");
        assertEquals(List.of("in/" + A, "in/" + B), checkpoint.files());
        assertEquals(
                List.of("x in/" + A, "y in/" + A, "z in/" + B),
                checkpoint.tensors().stream()
                        .map(tensor -> tensor.name() + " " + tensor.file())
                        .toList());
        assertEquals(Map.of("format", "pt", "by", "b"), checkpoint.metadata());
    }

    @Test
    void an_index_may_name_the_single_file() throws IOException {
        MemoryStorage storage = new MemoryStorage()
                .put("in/model.safetensors", write(Map.of(), entry("x", DType.F16, 2)))
                .put(INDEX, bytes("{'weight_map':{'x':'model.safetensors'}}"));
        assertEquals(1, SafetensorsCheckpoint.open(storage, "in").tensors().size());
    }

    @Test
    void refuses_a_folder_without_a_checkpoint() {
        assertEquals(
                "Cannot open checkpoint in: it has neither model.safetensors nor model.safetensors.index.json",
                refusal(new MemoryStorage().put("in/pytorch_model.bin", new byte[9])));
    }

    @Test
    void refuses_a_single_file_that_the_index_passes_over() throws IOException {
        MemoryStorage storage = sharded(index -> index).put("in/model.safetensors", write(Map.of()));
        assertEquals(
                "Cannot open checkpoint in: it has model.safetensors and also model.safetensors.index.json, which does"
                        + " not name it",
                refusal(storage));
    }

    static Stream<Arguments> wrongIndexes() {
        return Stream.of(
                arguments(B, "model-3.safetensors", "names model-3.safetensors, which is not there"),
                arguments(
                        ",'z':'" + B + "'",
                        ",'z':'" + A + "'",
                        "puts tensor 'z' into " + A + ", which does not hold it"),
                arguments("'y':'" + A, "'y':'" + B, "it puts tensor 'y' into " + B + ", but " + A + " holds it"),
                arguments("'y':'" + A + "',", "", "it does not name tensor 'y', which " + A + " holds"),
                arguments(
                        "'y':",
                        "'v':'" + A + "','w':'" + A + "','y':",
                        "it puts tensor 'v' into " + A + ", which does not hold it (and 1 more such)"),
                arguments("'y':", "'x':", "a second tensor 'x', at byte"),
                arguments("'" + B + "'", "7", "the shard of tensor 'z' is not a string, at byte"),
                arguments("'" + B + "'", "['" + B + "']", "the shard of tensor 'z' is not a string, at byte"),
                arguments("weight_map", "weights", "it has no weight_map"),
                arguments("'metadata':", "'weight_map':{},'metadata':", "a second weight_map, at byte"),
                arguments("[{}]", "[".repeat(1000) + "]".repeat(1000), "Document nesting depth (17) exceeds"),
                arguments("}}", "}", "not acceptable JSON"),
                arguments("}}", "}}}", "not acceptable JSON"),
                arguments("{'metadata'", "[{'metadata'", "the index is not an object, at byte 0"));
    }

    @ParameterizedTest
    @MethodSource("wrongIndexes")
    void refuses_an_index_that_does_not_fit(String right, String wrong, String reason) {
        String message = refusal(sharded(index -> index.replace(right, wrong)));
        assertTrue(message.contains(reason), message);
        assertTrue(message.contains("model.safetensors.index.json"), message);
    }

    @Test
    void refuses_an_empty_weight_map() {
        assertEquals(
                "Cannot read " + INDEX + ": its weight_map is empty", refusal(sharded(index -> "{'weight_map':{}}")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../secret.safetensors",
                "/etc/secret.safetensors",
                "sub/secret.safetensors",
                "..\\\\secret.safetensors",
                "C:secret.safetensors",
                "s3a://bucket/secret.safetensors",
                "..",
                ".",
                "",
                "secret",
                "a\\u0000.safetensors",
                "%2e%2e%2fsecret.safetensors",
                "x.safetensors?y"
            })
    void refuses_a_shard_outside_the_folder(String shard) {
        MemoryStorage storage = sharded(index -> index.replace(B, shard));
        String message = refusal(storage);
        assertTrue(message.startsWith("Cannot read " + INDEX + ": tensor 'z' is put into '"), message);
        assertTrue(message.contains("which is not the name of a safetensors file in the folder, at byte"), message);
    }

    @Test
    void refuses_a_tensor_in_two_shards() throws IOException {
        MemoryStorage storage = sharded(index -> index)
                .put("in/" + B, write(Map.of(), entry("z", DType.BF16, 2, 2), entry("x", DType.F32, 2)));
        assertEquals("Cannot open checkpoint in: tensor 'x' is in both " + A + " and " + B, refusal(storage));
    }

    @Test
    void a_damaged_shard_is_named() throws IOException {
        MemoryStorage storage = sharded(index -> index).put("in/" + B, new byte[3]);
        assertTrue(refusal(storage).startsWith("Cannot read in/" + B + ": it has 3 bytes"));
    }

    @Test
    void a_hundred_thousand_tensors_in_a_hundred_shards() throws IOException {
        MemoryStorage storage = new MemoryStorage();
        StringBuilder map = new StringBuilder();
        for (int s = 0; s < 100; s++) {
            int shard = s;
            String file = "model-%05d-of-00100.safetensors".formatted(s + 1);
            storage.put(
                    "in/" + file,
                    write(
                            Map.of(),
                            IntStream.range(0, 1000)
                                    .mapToObj(i -> entry("experts." + shard + "." + i, DType.U8, 1))
                                    .toArray(SafetensorsWriter.Entry[]::new)));
            map.append(IntStream.range(0, 1000)
                    .mapToObj(i -> ",'experts." + shard + "." + i + "':'" + file + "'")
                    .collect(Collectors.joining()));
        }
        storage.put(INDEX, bytes("{'weight_map':{" + map.substring(1) + "}}"));
        long start = System.nanoTime();
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.open(storage, "in");
        double seconds = (System.nanoTime() - start) / 1e9;
        assertEquals(
                100_000,
                checkpoint.tensors().stream()
                        .map(TensorLocation::name)
                        .distinct()
                        .count());
        assertTrue(seconds < 30, "took " + seconds + " s");
    }
}
