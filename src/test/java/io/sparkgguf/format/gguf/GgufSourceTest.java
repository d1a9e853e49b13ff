package io.sparkgguf.format.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class GgufSourceTest {
    private static final List<GgufLayout.Entry> TENSORS = Stream.of("a", "b", "c", "d")
            .map(name -> new GgufLayout.Entry(name, Shape.of(2, 8), BlockType.F32))
            .toList();
    private static final Map<String, Integer> SHARDS = Map.of("a", 0, "b", 1, "c", 1, "d", 2);

    private final Storage storage = new LocalStorage();

    @TempDir
    Path folder;

    private String name(String file) {
        return folder.resolve(file).toString();
    }

    private String first() {
        return name("m-00001-of-00003.gguf");
    }

    private void write(String file, GgufLayout layout) throws IOException {
        try (OutputStream out = storage.create(file)) {
            GgufWriter writer = new GgufWriter(out, layout);
            for (GgufTensor tensor : layout.tensors()) {
                writer.write(new byte[(int) tensor.bytes()], 0, (int) tensor.bytes());
            }
            writer.finish();
        }
    }

    private void writeSplit() throws IOException {
        List<GgufLayout> layouts =
                GgufSplit.byShard(new Metadata().putString("general.architecture", "llama"), TENSORS, 3, SHARDS::get);
        List<String> names = GgufSplit.fileNames(name("m.gguf"), 3);
        for (int i = 0; i < 3; i++) {
            write(names.get(i), layouts.get(i));
        }
    }

    @Test
    void opensASingleFile() throws IOException {
        GgufLayout layout = GgufLayout.of(new Metadata().putString("general.architecture", "llama"), TENSORS);
        write(name("m.gguf"), layout);
        GgufSource source = GgufSource.open(storage, name("m.gguf"));
        assertEquals(1, source.shards().size());
        assertEquals("llama", source.metadata().string("general.architecture").orElseThrow());
        for (int i = 0; i < TENSORS.size(); i++) {
            assertEquals(layout.location(i, name("m.gguf")), source.tensors().get(i));
            assertEquals(0, source.shardOf(TENSORS.get(i).name()));
        }
        assertThrows(IllegalArgumentException.class, () -> source.shardOf("e"));
        assertThrows(FileNotFoundException.class, () -> GgufSource.open(storage, name("none.gguf")));
    }

    @Test
    void opensASplitModelByItsFirstFile() throws IOException {
        writeSplit();
        GgufSource source = GgufSource.open(storage, first());
        assertEquals(3, source.shards().size());
        assertEquals(
                List.of("general.architecture"),
                List.copyOf(source.metadata().asMap().keySet()),
                "without split keys");
        assertEquals(
                List.of("a", "b", "c", "d"),
                source.tensors().stream().map(tensor -> tensor.name()).toList());
        SHARDS.forEach((name, shard) -> {
            assertEquals(shard, source.shardOf(name));
            assertTrue(source.tensors().stream()
                    .filter(tensor -> tensor.name().equals(name))
                    .allMatch(tensor -> tensor.file().equals(name("m-0000" + (shard + 1) + "-of-00003.gguf"))));
        });
    }

    @Test
    void namesTheFirstFileWhenGivenAnother() throws IOException {
        writeSplit();
        String third = name("m-00003-of-00003.gguf");
        assertEquals(
                "Cannot read split GGUF file " + third + ": it is file 3 of 3, name the first: " + first(),
                assertThrows(InvalidInputException.class, () -> GgufSource.open(storage, third))
                        .getMessage());
    }

    @Test
    void needsTheNamesToFollowThePattern() throws IOException {
        writeSplit();
        Files.move(Path.of(first()), folder.resolve("renamed.gguf"));
        assertEquals(
                "Cannot read split GGUF file " + name("renamed.gguf")
                        + ": it is the first of 3, so its name must end with -00001-of-00003.gguf",
                assertThrows(InvalidInputException.class, () -> GgufSource.open(storage, name("renamed.gguf")))
                        .getMessage());
    }

    @Test
    void namesAMissingShard() throws IOException {
        writeSplit();
        Files.delete(folder.resolve("m-00002-of-00003.gguf"));
        assertEquals(
                "Cannot read split GGUF file " + first() + ": file 2 of 3, " + name("m-00002-of-00003.gguf")
                        + ", is missing",
                assertThrows(InvalidInputException.class, () -> GgufSource.open(storage, first()))
                        .getMessage());
    }

    static Stream<Arguments> keys() {
        MetadataValue wrongType = MetadataValue.Int.of(MetadataType.U32, 1);
        return Stream.of(
                arguments(2, "split.no", u16(2), "split.no is 2, but by its name it must be 1"),
                arguments(2, "split.no", null, "key split.no is missing"),
                arguments(2, "split.no", wrongType, "key split.no is of type U32, but must be U16"),
                arguments(2, "split.count", u16(4), "split.count is 4, but FIRST says 3"),
                arguments(2, "split.count", null, "key split.count is missing"),
                arguments(1, "split.no", null, "key split.no is missing"),
                arguments(1, "split.no", u16(7), "it is file 8 of 3, name the first"),
                arguments(1, "split.count", wrongType, "key split.count is of type U32, but must be U16"),
                arguments(1, "split.tensors.count", null, "key split.tensors.count is missing"),
                arguments(
                        1,
                        "split.tensors.count",
                        MetadataValue.Int.of(MetadataType.I32, 5),
                        "split.tensors.count is 5, but the 3 files hold 4 tensors"));
    }

    private static MetadataValue u16(long value) {
        return MetadataValue.Int.of(MetadataType.U16, value);
    }

    @ParameterizedTest
    @MethodSource("keys")
    void refusesShardsThatDisagree(int shard, String key, MetadataValue value, String reason) throws IOException {
        writeSplit();
        String file = name("m-0000" + shard + "-of-00003.gguf");
        GgufHeader header = GgufSource.open(storage, first()).shards().get(shard - 1);
        Metadata metadata = header.metadata().copy();
        if (value == null) {
            metadata.remove(key);
        } else {
            metadata.put(key, value);
        }
        rewrite(file, metadata, header);
        assertEquals(
                "Cannot read split GGUF file " + file + ": " + reason.replace("FIRST", first()),
                assertThrows(InvalidInputException.class, () -> GgufSource.open(storage, first()))
                        .getMessage());
    }

    private void rewrite(String file, Metadata metadata, GgufHeader header) throws IOException {
        write(
                file,
                GgufLayout.of(
                        metadata,
                        header.tensors().stream()
                                .map(tensor -> new GgufLayout.Entry(tensor.name(), tensor.shape(), tensor.type()))
                                .toList()));
    }

    @Test
    void refusesATensorThatIsInTwoShards() throws IOException {
        writeSplit();
        GgufHeader header = GgufSource.open(storage, first()).shards().get(2);
        String third = name("m-00003-of-00003.gguf");
        write(third, GgufLayout.of(header.metadata(), List.of(TENSORS.get(1))));
        assertEquals(
                "Cannot read split GGUF file " + third + ": tensor 'b' is also in " + name("m-00002-of-00003.gguf"),
                assertThrows(InvalidInputException.class, () -> GgufSource.open(storage, first()))
                        .getMessage());
    }

    @Test
    void namesADamagedShard() throws IOException {
        writeSplit();
        Path second = folder.resolve("m-00002-of-00003.gguf");
        Files.write(second, "GGML".getBytes());
        assertEquals(
                "Cannot read GGUF file " + second
                        + " at byte 0: not a GGUF file: begins with bytes 47 47 4d 4c instead of 47 47 55 46 (\"GGUF\")",
                assertThrows(InvalidInputException.class, () -> GgufSource.open(storage, first()))
                        .getMessage());
    }
}
