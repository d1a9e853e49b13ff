package io.sparkgguf.format.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.BytesReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufSplitTest {

    private static GgufLayout.Entry entry(String name, long elements) {
        return new GgufLayout.Entry(name, Shape.of(elements), BlockType.F32);
    }

    private static Metadata metadata() {
        return new Metadata()
                .putString("general.architecture", "llama")
                .put("split.count", MetadataValue.Int.of(MetadataType.U16, 9))
                .putU32("general.alignment", 64);
    }

    private static Metadata read(GgufLayout layout) throws IOException {
        return GgufReader.read(new BytesReader("m", layout.header(), layout.length()))
                .metadata();
    }

    private static void assertShards(List<GgufLayout> layouts, int tensors) throws IOException {
        for (int i = 0; i < layouts.size(); i++) {
            Metadata metadata = read(layouts.get(i));
            List<String> keys = new ArrayList<>(metadata.asMap().keySet());
            assertEquals(
                    i == 0
                            ? List.of(
                                    "general.architecture",
                                    "general.alignment",
                                    "split.no",
                                    "split.count",
                                    "split.tensors.count")
                            : List.of("general.alignment", "split.no", "split.count", "split.tensors.count"),
                    keys);
            assertEquals(
                    MetadataValue.Int.of(MetadataType.U16, i),
                    metadata.get("split.no").orElseThrow());
            assertEquals(
                    MetadataValue.Int.of(MetadataType.U16, layouts.size()),
                    metadata.get("split.count").orElseThrow());
            assertEquals(
                    MetadataValue.Int.of(MetadataType.I32, tensors),
                    metadata.get("split.tensors.count").orElseThrow());
            assertEquals(64, layouts.get(i).alignment());
        }
    }

    @Test
    void fillsFilesUpToTheSize() throws IOException {
        for (long seed = 0; seed < 100; seed++) {
            Random random = new Random(seed);
            List<GgufLayout.Entry> tensors = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                tensors.add(entry("blk." + i + ".weight", 1 + random.nextInt(500)));
            }
            long most = 2_600 + random.nextInt(5_000);
            List<GgufLayout> layouts = GgufSplit.bySize(metadata(), tensors, most);
            String message = "seed " + seed + ", at most " + most;
            List<String> order = new ArrayList<>();
            for (int i = 0; i < layouts.size(); i++) {
                GgufLayout layout = layouts.get(i);
                assertTrue(layout.length() <= most, message + ": file " + i + " has " + layout.length());
                layout.tensors().forEach(tensor -> order.add(tensor.name()));
                if (i > 0) {
                    List<GgufLayout.Entry> one = new ArrayList<>();
                    layouts.get(i - 1)
                            .tensors()
                            .forEach(t -> one.add(new GgufLayout.Entry(t.name(), t.shape(), t.type())));
                    GgufTensor next = layout.tensors().get(0);
                    one.add(new GgufLayout.Entry(next.name(), next.shape(), next.type()));
                    assertTrue(
                            GgufLayout.of(read(layouts.get(i - 1)), one).length() > most,
                            message + ": the first tensor of file " + i + " fits into the one before");
                }
            }
            assertEquals(tensors.stream().map(GgufLayout.Entry::name).toList(), order, message);
            assertTrue(layouts.size() > 3, message);
            assertShards(layouts, 50);
        }
    }

    @Test
    void writesOneFileWithoutSplitKeysWhenAllFits() throws IOException {
        List<GgufLayout.Entry> tensors = List.of(entry("a", 100), entry("b", 100));
        long whole =
                GgufLayout.of(GgufSplit.withoutSplitKeys(metadata()), tensors).length();
        List<GgufLayout> one = GgufSplit.bySize(metadata(), tensors, whole);
        assertEquals(1, one.size());
        assertEquals(
                List.of("general.architecture", "general.alignment"),
                List.copyOf(read(one.get(0)).asMap().keySet()));
        assertEquals(2, GgufSplit.bySize(metadata(), tensors, whole - 1).size());
    }

    @Test
    void refusesSizesThatCannotBeKept() {
        assertEquals(
                "Cannot split into files of 3000 bytes: tensor 'b' needs a file of 4224",
                assertThrows(
                                InvalidInputException.class,
                                () -> GgufSplit.bySize(metadata(), List.of(entry("a", 10), entry("b", 1_000)), 3_000))
                        .getMessage());
        Metadata large = metadata().putString("general.description", "x".repeat(5_000));
        String message = assertThrows(
                        InvalidInputException.class,
                        () -> GgufSplit.bySize(large, List.of(entry("a", 100), entry("b", 100)), 3_000))
                .getMessage();
        assertTrue(
                message.matches("Cannot split into files of 3000 bytes: the metadata needs a file of 5[0-9]{3}"),
                message);
    }

    @Test
    void leavesTheFirstFileToTheMetadataWhenOnlyThatFits() throws IOException {
        Metadata large = metadata().putString("general.description", "x".repeat(5_000));
        List<GgufLayout> layouts = GgufSplit.bySize(large, List.of(entry("a", 1_000), entry("b", 100)), 5_600);
        assertEquals(
                List.of(0, 2),
                layouts.stream().map(layout -> layout.tensors().size()).toList());
    }

    @Test
    void keepsShards() throws IOException {
        List<GgufLayout.Entry> tensors = List.of(entry("a0", 1), entry("b0", 1), entry("c2", 1));
        List<GgufLayout> layouts = GgufSplit.byShard(metadata(), tensors, 3, name -> name.charAt(1) - '0');
        assertEquals(
                List.of(List.of("a0", "b0"), List.of(), List.of("c2")),
                layouts.stream()
                        .map(layout ->
                                layout.tensors().stream().map(GgufTensor::name).toList())
                        .toList());
        assertShards(layouts, 3);
        assertEquals(
                List.of("general.architecture", "general.alignment"),
                List.copyOf(read(GgufSplit.byShard(metadata(), tensors, 1, name -> 0)
                                .get(0))
                        .asMap()
                        .keySet()));
        assertEquals(
                "Cannot put tensor 'a0' into file 0 of 3: the tensor before it is in file 2",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> GgufSplit.byShard(
                                        metadata(),
                                        List.of(tensors.get(2), tensors.get(0)),
                                        3,
                                        name -> name.charAt(1) - '0'))
                        .getMessage());
    }

    @Test
    void refusesMoreShardsThanTheKeyCanCount() {
        assertEquals(
                "Cannot split into 65536 files: at most 65535 are allowed, choose a larger size",
                assertThrows(
                                InvalidInputException.class,
                                () -> GgufSplit.byShard(metadata(), List.of(), 65_536, name -> 0))
                        .getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "out/model.gguf, out/model-00002-of-00003.gguf",
        "model, model-00002-of-00003.gguf",
        "s3a://b/model-00001-of-00007.gguf, s3a://b/model-00002-of-00003.gguf",
        "model-1-of-7.gguf, model-1-of-7-00002-of-00003.gguf",
    })
    void namesFiles(String output, String second) {
        assertEquals(second, GgufSplit.fileNames(output, 3).get(1));
        assertEquals(List.of(output), GgufSplit.fileNames(output, 1));
    }

    @ParameterizedTest
    @CsvSource({"1M, 1000000", "500M, 500000000", "2G, 2000000000", "999999999G, 999999999000000000"})
    void readsSizes(String text, long expected) {
        assertEquals(expected, GgufSplit.parseSize(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0M", "1", "1K", "1.5G", "-1G", "1g", "1 G", "1234567890M", "G"})
    void refusesOtherSizes(String text) {
        assertEquals(
                "Cannot use '" + text + "' as a size: write a whole number above 0 and M or G, for example 500M or 2G",
                assertThrows(InvalidInputException.class, () -> GgufSplit.parseSize(text))
                        .getMessage());
    }
}
