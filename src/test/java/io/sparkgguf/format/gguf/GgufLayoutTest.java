package io.sparkgguf.format.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.storage.BytesReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufLayoutTest {

    private static GgufLayout.Entry entry(String name, BlockType type, long... shape) {
        return new GgufLayout.Entry(name, Shape.of(shape), type);
    }

    @Test
    void writesTheHeaderThatOneWritesByHand() {
        Metadata metadata = new Metadata()
                .putString("general.architecture", "llama")
                .putBool("a.bool", true)
                .putStrings("a.tokens", List.of("x", "", "yz"))
                .put("a.scores", MetadataValue.Numbers.ofFloats(0.5f, -1f))
                .putU32("a.count", 7);
        GgufLayout layout = GgufLayout.of(
                metadata,
                List.of(entry("one.weight", BlockType.F32, 4, 4), entry("two.weight", BlockType.Q8_0, 2, 32)));
        byte[] expected = GgufBytes.sound().bytes();
        assertEquals(expected.length, layout.length());
        assertEquals(expected.length - 64 - 96, layout.dataStart());
        assertArrayEquals(Arrays.copyOf(expected, expected.length - 64 - 96), layout.header());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 32, 64, 4096})
    void placesTensorsOneAfterAnother(int alignment) {
        Metadata metadata = new Metadata().putString("general.name", "x");
        int expectedAlignment = alignment == 0 ? 32 : alignment;
        if (alignment != 0) {
            metadata.putU32("general.alignment", alignment);
        }
        List<GgufLayout.Entry> entries = List.of(
                entry("a", BlockType.F32, 3),
                entry("b", BlockType.Q4_K, 5, 1, 512),
                entry("c", BlockType.F16),
                entry("none", BlockType.F32, 0, 9),
                entry("d", BlockType.Q6_K, 1, 1, 7, 256));
        // By hand: 3 floats; 5 rows of two blocks of 144; one half; nothing; 7 blocks of 210.
        long[] sizes = {12, 5 * 2 * 144, 2, 0, 7 * 210};
        GgufLayout layout = GgufLayout.of(metadata, entries);
        assertEquals(expectedAlignment, layout.alignment());
        assertEquals(0, layout.dataStart() % expectedAlignment);
        long at = layout.dataStart();
        for (int i = 0; i < sizes.length; i++) {
            assertEquals(at, layout.start(i), "start of " + i);
            assertEquals(at + sizes[i], layout.end(i), "end of " + i);
            TensorLocation location = layout.location(i, "out.gguf");
            assertEquals(
                    new TensorLocation(
                            entries.get(i).name(),
                            entries.get(i).type(),
                            entries.get(i).shape(),
                            "out.gguf",
                            at,
                            sizes[i]),
                    location);
            at += (sizes[i] + expectedAlignment - 1) / expectedAlignment * expectedAlignment;
        }
        assertEquals(at, layout.length(), "the last tensor is padded too");
    }

    @Test
    void laysOutAFileOfTerabytes() throws IOException {
        List<GgufLayout.Entry> entries = new ArrayList<>();
        long expected = 0;
        for (int i = 0; i < 61 * 3; i++) {
            entries.add(entry("blk." + i + ".ffn_exps.weight", BlockType.BF16, 384, 2048, 7168));
            expected += 2L * 384 * 2048 * 7168;
        }
        GgufLayout layout = GgufLayout.of(new Metadata(), entries);
        assertEquals(layout.dataStart() + expected, layout.length());
        GgufHeader read = GgufReader.read(new BytesReader("big.gguf", layout.header(), layout.length()));
        assertEquals(layout.tensors(), read.tensors());
        assertEquals(layout.length(), read.paddedEnd());
    }

    @Test
    void readsBackRandomFiles() throws IOException {
        BlockType[] types = BlockType.values();
        for (long seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            Metadata metadata = randomMetadata(random);
            if (random.nextBoolean()) {
                metadata.putU32("general.alignment", 1L << random.nextInt(10));
            }
            List<GgufLayout.Entry> entries = new ArrayList<>();
            for (int i = random.nextInt(6); i > 0; i--) {
                BlockType type = types[random.nextInt(types.length)];
                long[] shape = new long[1 + random.nextInt(4)];
                Arrays.setAll(shape, axis -> random.nextInt(4));
                shape[shape.length - 1] *= type.blockElements();
                entries.add(entry("tensor " + i, type, shape));
            }
            GgufLayout layout = GgufLayout.of(metadata, entries);
            byte[] file = write(layout, random);
            GgufHeader header = GgufReader.read(new BytesReader("r.gguf", file));
            String message = "seed " + seed;
            assertEquals(
                    List.copyOf(metadata.asMap().entrySet()),
                    List.copyOf(header.metadata().asMap().entrySet()),
                    message);
            assertEquals(layout.tensors(), header.tensors(), message);
            assertEquals(layout.alignment(), header.alignment(), message);
            if (!entries.isEmpty()) { // without data its start has no padding to find
                assertEquals(layout.dataStart(), header.dataStart(), message);
                assertEquals(file.length, header.paddedEnd(), message);
            }
        }
    }

    private static Metadata randomMetadata(Random random) {
        Metadata metadata = new Metadata();
        for (MetadataType type : MetadataType.values()) {
            if (type.isInteger()) {
                byte[] bytes = new byte[type.bytes() * random.nextInt(5)];
                random.nextBytes(bytes);
                metadata.put("array." + type, new MetadataValue.Numbers(type, bytes));
                metadata.put("number." + type, MetadataValue.Int.of(type, random.nextInt(128)));
            }
        }
        metadata.put("text", new MetadataValue.Text(new byte[] {(byte) random.nextInt(), 0, 'x'}));
        metadata.put("real", new MetadataValue.Real(MetadataType.F64, random.nextGaussian()));
        metadata.putF32("float", random.nextFloat());
        metadata.putStrings(
                "strings",
                random.ints(random.nextInt(9)).mapToObj(Integer::toString).toList());
        return metadata;
    }

    /** The whole file, the data given to the writer in pieces of random size. */
    private static byte[] write(GgufLayout layout, Random random) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        GgufWriter writer = new GgufWriter(out, layout);
        byte[] expected = Arrays.copyOf(layout.header(), (int) layout.length());
        for (int i = 0; i < layout.tensors().size(); i++) {
            byte[] data = new byte[(int) layout.tensors().get(i).bytes()];
            random.nextBytes(data);
            System.arraycopy(data, 0, expected, (int) layout.start(i), data.length);
            for (int at = 0; at < data.length; ) {
                int count = Math.min(data.length - at, 1 + random.nextInt(5_000));
                writer.write(data, at, count);
                at += count;
            }
        }
        writer.finish();
        assertArrayEquals(expected, out.toByteArray(), "zeros between the tensors and nothing else");
        return expected;
    }

    @Test
    void writesNeitherTooMuchNorTooLittle() throws IOException {
        GgufLayout layout =
                GgufLayout.of(new Metadata(), List.of(entry("a", BlockType.F32, 2), entry("b", BlockType.F32, 1)));
        GgufWriter writer = new GgufWriter(new ByteArrayOutputStream(), layout);
        writer.write(new byte[8], 0, 5);
        assertEquals(
                "Cannot write 4 bytes to tensor 'a': only 3 are left",
                assertThrows(IllegalArgumentException.class, () -> writer.write(new byte[4], 0, 4))
                        .getMessage());
        assertEquals(
                "Cannot finish the file: tensor 'a' lacks 3 bytes",
                assertThrows(IllegalStateException.class, writer::finish).getMessage());
        writer.write(new byte[8], 0, 3);
        writer.write(new byte[8], 0, 4);
        writer.write(new byte[0], 0, 0);
        writer.finish();
        assertEquals(
                "Cannot write 1 bytes more: all tensors are written",
                assertThrows(IllegalArgumentException.class, () -> writer.write(new byte[1], 0, 1))
                        .getMessage());
    }

    static Stream<Arguments> unwritable() {
        Metadata none = new Metadata();
        return Stream.of(
                arguments(
                        none,
                        List.of(entry("n".repeat(64), BlockType.F32, 1)),
                        "Cannot write tensor '" + "n".repeat(64)
                                + "': a tensor's name has 64 bytes, more than the 63 allowed"),
                arguments(
                        none, List.of(entry("", BlockType.F32, 1)), "Cannot write tensor '': a tensor's name is empty"),
                arguments(
                        none,
                        List.of(entry("a\0", BlockType.F32, 1)),
                        "Cannot write tensor 'a\\u0000': its name is not Unicode text without zeros"),
                arguments(
                        none,
                        List.of(entry("\uD800", BlockType.F32, 1)),
                        "Cannot write tensor '\\ud800': its name is not Unicode text without zeros"),
                arguments(
                        none,
                        List.of(entry("w", BlockType.F32, 1), entry("w", BlockType.F32, 1)),
                        "Cannot write tensor 'w': there is another tensor of this name"),
                arguments(
                        none,
                        List.of(entry("w", BlockType.F32, 1, 1, 1, 1, 1)),
                        "Cannot write tensor 'w': it has 5 dimensions, more than the 4 allowed"),
                arguments(
                        none,
                        List.of(entry("w", BlockType.Q4_K, 256, 160)),
                        "Cannot write tensor 'w': it has rows of 160 elements, not a multiple of the 256 of a block of Q4_K"),
                arguments(
                        none,
                        List.of(entry("w", BlockType.F32, 1L << 62)),
                        "Cannot write tensor 'w': it takes more than 2^63 - 1 bytes: shape [4611686018427387904] of F32"),
                arguments(
                        none,
                        List.of(entry("v", BlockType.F32, 1L << 60), entry("w", BlockType.F32, 1L << 60)),
                        "Cannot write tensor 'w': the file would have more than 2^63 - 1 bytes"),
                arguments(
                        new Metadata().put("general.alignment", MetadataValue.Int.of(MetadataType.U64, 32)),
                        List.of(),
                        "Cannot write GGUF metadata: general.alignment is of type U64, but must be U32"),
                arguments(
                        new Metadata().putU32("general.alignment", 48),
                        List.of(),
                        "Cannot write GGUF metadata: general.alignment is 48, but must be a power of two"),
                arguments(new Metadata().putU32("", 1), List.of(), "Cannot write key '': a key is empty"),
                arguments(
                        new Metadata().putU32("k".repeat(70_000), 1),
                        List.of(),
                        "Cannot write key '" + "k".repeat(80)
                                + "…': a key has 70000 bytes, more than the 65535 allowed"),
                arguments(
                        new Metadata().putU32("general.alignment", 1L << 31),
                        List.of(),
                        "Cannot write a GGUF header of 2147483648 bytes or more: at most 268435456 are allowed"));
    }

    @ParameterizedTest
    @MethodSource("unwritable")
    void refusesWhatNoReaderWouldTake(Metadata metadata, List<GgufLayout.Entry> entries, String message) {
        assertEquals(
                message,
                assertThrows(InvalidInputException.class, () -> GgufLayout.of(metadata, entries))
                        .getMessage());
    }

    @Test
    void takesNamesOfExactlyTheLimit() throws IOException {
        GgufLayout layout = GgufLayout.of(
                new Metadata().putU32("k".repeat(65_535), 1), List.of(entry("n".repeat(63), BlockType.F32, 0)));
        assertTrue(GgufReader.read(new BytesReader("m", layout.header()))
                .metadata()
                .contains("k".repeat(65_535)));
    }
}
