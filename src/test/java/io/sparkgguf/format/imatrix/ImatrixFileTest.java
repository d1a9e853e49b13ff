package io.sparkgguf.format.imatrix;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.format.gguf.GgufLayout;
import io.sparkgguf.format.gguf.GgufWriter;
import io.sparkgguf.storage.BytesReader;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImatrixFileTest {
    private static final String DENSE = "blk.0.attn_q.weight";
    private static final String EXPERTS = "blk.0.ffn_up_exps.weight";
    private static final Shape THREE_EXPERTS = Shape.of(3, 8, 2);

    private static Metadata metadata() {
        return new Metadata()
                .putString("general.type", "imatrix")
                .putStrings("imatrix.datasets", List.of("a.txt", "b.txt"))
                .putU32("imatrix.chunk_count", 10)
                .putU32("imatrix.chunk_size", 512);
    }

    /** A GGUF file of these float32 tensors: shape and values of each. */
    private static byte[] gguf(Metadata metadata, Map<String, Map.Entry<Shape, float[]>> tensors) {
        List<GgufLayout.Entry> entries = new ArrayList<>();
        tensors.forEach((name, tensor) -> entries.add(new GgufLayout.Entry(name, tensor.getKey(), BlockType.F32)));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            GgufWriter writer = new GgufWriter(out, GgufLayout.of(metadata, entries));
            for (Map.Entry<Shape, float[]> tensor : tensors.values()) {
                ByteBuffer bytes =
                        ByteBuffer.allocate(4 * tensor.getValue().length).order(ByteOrder.LITTLE_ENDIAN);
                bytes.asFloatBuffer().put(tensor.getValue());
                writer.write(bytes.array(), 0, bytes.capacity());
            }
            writer.finish();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    private static Map<String, Map.Entry<Shape, float[]>> sound() {
        Map<String, Map.Entry<Shape, float[]>> tensors = new LinkedHashMap<>();
        tensors.put(DENSE + ".in_sum2", Map.entry(Shape.of(2), new float[] {10f, 3f}));
        tensors.put(DENSE + ".counts", Map.entry(Shape.of(1), new float[] {3f}));
        tensors.put("something.else", Map.entry(Shape.of(1), new float[] {1f}));
        tensors.put(EXPERTS + ".in_sum2", Map.entry(Shape.of(3, 2), new float[] {1f, 2f, 0f, 0f, 5f, 0.1f}));
        tensors.put(EXPERTS + ".counts", Map.entry(Shape.of(3, 1), new float[] {4f, 0f, 7f}));
        return tensors;
    }

    private static byte[] soundLegacy() {
        return new ImatrixBytes()
                .i32(2)
                .entry(EXPERTS, 3, 1f, 2f, 3f, 4f, 5f, 6f)
                .entry(DENSE, 0, 7f, 8f)
                .i32(10)
                .string("a.txt")
                .bytes();
    }

    private static BytesReader file(byte[] bytes) {
        return new BytesReader("im", bytes);
    }

    private static float[] load(byte[] bytes, String tensor, int columns, int matrix) throws IOException {
        ImatrixEntry entry = ImatrixFile.read(file(bytes)).entry(tensor).orElseThrow();
        return Importance.load(file(bytes), entry, columns, matrix);
    }

    @Test
    void readsTheGgufFormat() throws IOException {
        byte[] bytes = gguf(metadata(), sound());
        ImatrixFile imatrix = ImatrixFile.read(file(bytes));
        assertFalse(imatrix.legacy());
        assertEquals(List.of(DENSE, EXPERTS), List.copyOf(imatrix.entries().keySet()));
        assertEquals(List.of("a.txt", "b.txt"), imatrix.datasets());
        assertEquals(10, imatrix.chunkCount());
        assertEquals(512, imatrix.chunkSize());
        assertArrayEquals(new float[] {10f / 3f, 3f / 3f}, load(bytes, DENSE, 2, 0));
        assertArrayEquals(new float[] {1f / 4f, 2f / 4f}, load(bytes, EXPERTS, 2, 0));
        assertArrayEquals(new float[] {1f, 1f}, load(bytes, EXPERTS, 2, 1), "an expert that has seen no token");
        assertArrayEquals(new float[] {5f / 7f, 0.1f / 7f}, load(bytes, EXPERTS, 2, 2));
        assertTrue(imatrix.entry("something.else").isEmpty());
        assertEquals(3, imatrix.entry(EXPERTS).orElseThrow().counts());
    }

    @Test
    void readsTheLegacyFormat() throws IOException {
        byte[] bytes = soundLegacy();
        ImatrixFile imatrix = ImatrixFile.read(file(bytes));
        assertTrue(imatrix.legacy());
        assertEquals(List.of(DENSE, EXPERTS), List.copyOf(imatrix.entries().keySet()));
        assertEquals(List.of("a.txt"), imatrix.datasets());
        assertEquals(10, imatrix.chunkCount());
        assertArrayEquals(new float[] {3f / 3f, 4f / 3f}, load(bytes, EXPERTS, 2, 1));
        assertArrayEquals(new float[] {7f, 8f}, load(bytes, DENSE, 2, 0), "no calls: the values as they are");
        imatrix.entry(EXPERTS).orElseThrow().requireFits(THREE_EXPERTS);
    }

    @ParameterizedTest
    @ValueSource(strings = {"nothing", "chunks", "empty name"})
    void readsLegacyFilesWithoutProvenance(String end) throws IOException {
        ImatrixBytes bytes = new ImatrixBytes().i32(1).entry(DENSE, 1, 1f);
        if (!end.equals("nothing")) {
            bytes.i32(5);
        }
        if (end.equals("empty name")) {
            bytes.string("");
        }
        ImatrixFile imatrix = ImatrixFile.read(file(bytes.bytes()));
        assertEquals(end.equals("nothing") ? 0 : 5, imatrix.chunkCount());
        assertEquals(List.of(), imatrix.datasets());
    }

    @Test
    void dividesAFlatStackByItsOneCount() throws IOException {
        Map<String, Map.Entry<Shape, float[]>> tensors = new LinkedHashMap<>();
        tensors.put(DENSE + ".in_sum2", Map.entry(Shape.of(6), new float[] {1f, 2f, 3f, 4f, 5f, 6f}));
        tensors.put(DENSE + ".counts", Map.entry(Shape.of(1), new float[] {2f}));
        byte[] bytes = gguf(metadata(), tensors);
        ImatrixFile.read(file(bytes)).entry(DENSE).orElseThrow().requireFits(THREE_EXPERTS);
        assertArrayEquals(new float[] {5f / 2f, 6f / 2f}, load(bytes, DENSE, 2, 2));
    }

    @Test
    void refusesStatisticsOfAnotherModel() throws IOException {
        ImatrixFile imatrix = ImatrixFile.read(file(gguf(metadata(), sound())));
        ImatrixEntry dense = imatrix.entry(DENSE).orElseThrow();
        ImatrixEntry experts = imatrix.entry(EXPERTS).orElseThrow();
        dense.requireFits(Shape.of(100, 2));
        dense.requireFits(Shape.of(2));
        experts.requireFits(THREE_EXPERTS);
        assertEquals(
                "Cannot use imatrix im for tensor '" + DENSE
                        + "': it holds 2 values with 1 counts, but the tensor of shape [100, 3] needs 3 for each of 1 matrices",
                assertThrows(InvalidInputException.class, () -> dense.requireFits(Shape.of(100, 3)))
                        .getMessage());
        assertThrows(InvalidInputException.class, () -> experts.requireFits(Shape.of(8, 6)));
        assertThrows(InvalidInputException.class, () -> experts.requireFits(Shape.of(6, 8, 1)));
        assertThrows(IllegalArgumentException.class, () -> Importance.load(file(new byte[0]), experts, 2, 3));
        assertThrows(IllegalArgumentException.class, () -> Importance.load(file(new byte[0]), experts, 3, 0));
    }

    @Test
    void sendsEntriesToExecutors() throws Exception {
        byte[] bytes = gguf(metadata(), sound());
        ImatrixEntry entry = ImatrixFile.read(file(bytes)).entry(EXPERTS).orElseThrow();
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(stream)) {
            out.writeObject(entry);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(stream.toByteArray()))) {
            assertEquals(entry, in.readObject());
        }
    }

    @Test
    void describesItself() throws IOException {
        Metadata metadata = new Metadata();
        ImatrixFile.read(file(gguf(metadata(), sound()))).describe(metadata, 1);
        assertEquals(
                List.copyOf(new Metadata()
                        .putString("quantize.imatrix.file", "im")
                        .putString("quantize.imatrix.dataset", "a.txt, b.txt")
                        .putU32("quantize.imatrix.entries_count", 1)
                        .putU32("quantize.imatrix.chunks_count", 10)
                        .asMap()
                        .entrySet()),
                List.copyOf(metadata.asMap().entrySet()));
    }

    static Stream<Arguments> badValues() {
        return Stream.of(Float.NaN, Float.POSITIVE_INFINITY, -1e-30f).map(value -> arguments(value, "" + value));
    }

    @ParameterizedTest
    @MethodSource("badValues")
    void refusesValuesThatAreNoMeanSquares(float value, String shown) {
        Map<String, Map.Entry<Shape, float[]>> tensors = sound();
        tensors.get(EXPERTS + ".in_sum2").getValue()[5] = value;
        byte[] badSum = gguf(metadata(), tensors);
        assertEquals(
                "Cannot use imatrix im: the value of tensor '" + EXPERTS + "', matrix 2, column 1 is " + shown,
                assertThrows(InvalidInputException.class, () -> load(badSum, EXPERTS, 2, 2))
                        .getMessage());
        tensors.get(EXPERTS + ".in_sum2").getValue()[5] = 0f;
        tensors.get(EXPERTS + ".counts").getValue()[1] = value;
        byte[] badCount = gguf(metadata(), tensors);
        assertEquals(
                "Cannot use imatrix im: count 1 of tensor '" + EXPERTS + "' is " + shown,
                assertThrows(InvalidInputException.class, () -> load(badCount, EXPERTS, 2, 1))
                        .getMessage());
        byte[] legacy = new ImatrixBytes().i32(1).entry(DENSE, 2, 1f, value).bytes();
        assertEquals(
                "Cannot use imatrix im: the value of tensor '" + DENSE + "', matrix 0, column 1 is " + shown,
                assertThrows(InvalidInputException.class, () -> load(legacy, DENSE, 2, 0))
                        .getMessage());
    }

    static Stream<Arguments> badGguf() {
        Map<String, Map.Entry<Shape, float[]>> noCounts = sound();
        noCounts.remove(DENSE + ".counts");
        Map<String, Map.Entry<Shape, float[]>> noSums = sound();
        noSums.remove(EXPERTS + ".in_sum2");
        Map<String, Map.Entry<Shape, float[]>> uneven = sound();
        uneven.put(DENSE + ".counts", Map.entry(Shape.of(3), new float[3]));
        Map<String, Map.Entry<Shape, float[]>> empty = sound();
        empty.put(DENSE + ".in_sum2", Map.entry(Shape.of(0), new float[0]));
        return Stream.of(
                arguments(
                        metadata().remove("imatrix.datasets"),
                        sound(),
                        "key imatrix.datasets is missing, so it is no importance matrix"),
                arguments(
                        metadata().remove("imatrix.chunk_count"),
                        sound(),
                        "key imatrix.chunk_count is missing, so it is no importance matrix"),
                arguments(
                        metadata().remove("imatrix.chunk_size"),
                        sound(),
                        "key imatrix.chunk_size is missing, so it is no importance matrix"),
                arguments(
                        metadata().putString("imatrix.datasets", "a"),
                        sound(),
                        "key imatrix.datasets is not an array of strings"),
                arguments(
                        metadata().putF32("imatrix.chunk_size", 1),
                        sound(),
                        "key imatrix.chunk_size is of type F32, but must be U32"),
                arguments(metadata(), Map.of(), "it has no entries"),
                arguments(metadata(), noCounts, "tensor '" + DENSE + ".counts' is missing"),
                arguments(metadata(), noSums, "tensor '" + EXPERTS + ".in_sum2' is missing"),
                arguments(metadata(), uneven, "entry '" + DENSE + "' has 2 values with 3 counts"),
                arguments(metadata(), empty, "entry '" + DENSE + "' has 0 values with 1 counts"));
    }

    @ParameterizedTest
    @MethodSource("badGguf")
    void refusesGgufFilesThatAreNoImatrix(
            Metadata metadata, Map<String, Map.Entry<Shape, float[]>> tensors, String reason) {
        BytesReader reader = file(gguf(metadata, tensors));
        assertEquals(
                "Cannot read imatrix im: " + reason,
                assertThrows(InvalidInputException.class, () -> ImatrixFile.read(reader))
                        .getMessage());
    }

    @Test
    void refusesSumsThatAreNotFloat32() {
        GgufLayout layout = GgufLayout.of(
                metadata(),
                List.of(
                        new GgufLayout.Entry(DENSE + ".in_sum2", Shape.of(16), BlockType.F16),
                        new GgufLayout.Entry(DENSE + ".counts", Shape.of(1), BlockType.F32)));
        BytesReader reader = new BytesReader("im", layout.header(), layout.length());
        assertEquals(
                "Cannot read imatrix im: tensor '" + DENSE + ".in_sum2' is of type F16, but must be F32",
                assertThrows(InvalidInputException.class, () -> ImatrixFile.read(reader))
                        .getMessage());
    }

    static Stream<Arguments> badLegacy() {
        return Stream.of(
                arguments(
                        new ImatrixBytes().i32(0).string("x"),
                        0,
                        "neither a GGUF file nor a legacy importance matrix: 0 entries in 9 bytes"),
                arguments(
                        new ImatrixBytes().i32(1_000_000).string("x"),
                        0,
                        "neither a GGUF file nor a legacy importance matrix: 1000000 entries in 9 bytes"),
                arguments(
                        new ImatrixBytes().i32(1).i32(-4).entry("x", 1, 1f),
                        4,
                        "an entry's name has -4 bytes, must be 1 to 65535"),
                arguments(
                        new ImatrixBytes().i32(1).i32(60_000).entry("x", 1, 1f),
                        8,
                        "an entry's name takes 60000 bytes, but only 17 are left (the file ends at byte 25)"),
                arguments(new ImatrixBytes().i32(1).entry("x", -1, 1f), 9, "entry 'x' has -1 calls"),
                arguments(new ImatrixBytes().i32(1).entry("x", 1).i32(0), 13, "entry 'x' has 0 values"),
                arguments(
                        new ImatrixBytes()
                                .i32(1)
                                .string("x")
                                .i32(1)
                                .i32(Integer.MAX_VALUE)
                                .i32(0),
                        17,
                        "entry 'x' of 2147483647 values takes 8589934588 bytes, but only 4 are left (the file ends at byte 21)"),
                arguments(
                        new ImatrixBytes().i32(2).entry("x", 1, 1f).entry("x", 1, 1f), 21, "entry 'x' is there twice"),
                arguments(new ImatrixBytes().i32(1).entry("x", 1, 1f).i32(-2), 21, "the number of chunks is -2"),
                arguments(
                        new ImatrixBytes()
                                .i32(1)
                                .entry("x", 1, 1f)
                                .i32(2)
                                .string("d")
                                .i32(3),
                        30,
                        "4 bytes follow behind the end"));
    }

    @ParameterizedTest
    @MethodSource("badLegacy")
    void refusesDamagedLegacyFiles(ImatrixBytes bytes, long place, String reason) {
        assertEquals(
                "Cannot read imatrix im at byte " + place + ": " + reason,
                assertThrows(InvalidInputException.class, () -> ImatrixFile.read(file(bytes.bytes())))
                        .getMessage());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void refusesAFileCutAtAnyByte(boolean legacy) throws IOException {
        byte[] whole = legacy ? soundLegacy() : gguf(metadata(), sound());
        // A legacy file may end after its entries or after the number of chunks; a GGUF file's last padding may lack.
        List<Integer> sound = legacy ? List.of(whole.length - 13, whole.length - 9) : List.of();
        int end = legacy ? whole.length : whole.length - 20;
        for (int length = 0; length < end; length++) {
            BytesReader cut = file(Arrays.copyOf(whole, length));
            if (sound.contains(length)) {
                assertEquals(2, ImatrixFile.read(cut).entries().size());
            } else {
                String message = assertThrows(
                                InvalidInputException.class, () -> ImatrixFile.read(cut), "cut at byte " + length)
                        .getMessage();
                assertTrue(message.startsWith("Cannot read ") && message.lines().count() == 1, message);
            }
        }
        assertEquals(
                2, ImatrixFile.read(file(Arrays.copyOf(whole, end))).entries().size());
    }

    @Test
    void readsFromStorage(@TempDir Path folder) throws IOException {
        Storage storage = new LocalStorage();
        String name = folder.resolve("im.gguf").toString();
        try (OutputStream out = storage.create(name)) {
            out.write(gguf(metadata(), sound()));
        }
        ImatrixEntry entry = ImatrixFile.read(storage, name).entry(DENSE).orElseThrow();
        try (RangeReader reader = storage.open(entry.file())) {
            assertArrayEquals(new float[] {10f / 3f, 1f}, Importance.load(reader, entry, 2, 0));
        }
    }
}
