package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.sparkgguf.tensor.BlockType;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every byte of every encoder against the vectors that ggml's compiled quantizers produced. */
class GoldenTest {
    private static final List<String> VARIANTS = List.of("plain", "imatrix", "imatrix_with_zeros");

    static List<BlockType> encodedTypes() {
        return Arrays.stream(BlockType.values())
                .filter(type -> BlockFormats.of(type).encodes() && type != BlockType.F32) // F32 is a copy
                .toList();
    }

    static Stream<Object[]> vectors() {
        return GoldenFile.NAMES.stream()
                .map(GoldenFile::read)
                .flatMap(golden -> encodedTypes().stream().map(type -> new Object[] {golden, type}));
    }

    @ParameterizedTest(name = "{1} of {0}")
    @MethodSource("vectors")
    void encodesByteForByte(GoldenFile golden, BlockType type) {
        int compared = 0;
        for (String variant : VARIANTS) {
            byte[] expected = golden.tensors().get(type + "." + variant);
            assertNotNull(expected, () -> golden.name() + " has no " + type + "." + variant);
            float[] importance = variant.equals("plain") ? null : golden.floats(variant);
            byte[] blocks = new byte[expected.length];
            encode(type, golden, importance, blocks, 0, golden.rows());
            assertArrayEquals(expected, blocks, () -> golden.name() + " " + type + "." + variant);

            // Row by row, and the importance from another place, gives the same.
            byte[] rows = new byte[expected.length];
            float[] shifted = null;
            if (importance != null) {
                shifted = new float[importance.length + 3];
                System.arraycopy(importance, 0, shifted, 3, importance.length);
            }
            for (int row = 0; row < golden.rows(); row++) {
                int rowBytes = Math.toIntExact(type.bytes(golden.columns()));
                BlockFormats.of(type)
                        .encode(
                                golden.input(),
                                row * golden.columns(),
                                1,
                                golden.columns(),
                                shifted,
                                3,
                                rows,
                                row * rowBytes);
            }
            assertArrayEquals(expected, rows, () -> golden.name() + " " + type + "." + variant + ", row by row");
            compared++;
        }
        assertEquals(VARIANTS.size(), compared);
    }

    private static void encode(BlockType type, GoldenFile golden, float[] importance, byte[] blocks, int at, int rows) {
        BlockFormats.of(type).encode(golden.input(), 0, rows, golden.columns(), importance, 0, blocks, at);
    }

    @Test
    void allVectorsOfAllEncodersAreCompared() {
        long vectors = GoldenFile.NAMES.stream()
                .map(GoldenFile::read)
                .flatMap(golden -> golden.tensors().keySet().stream())
                .filter(key -> encodedTypes().stream().anyMatch(type -> key.startsWith(type + ".")))
                .count();
        assertEquals((long) GoldenFile.NAMES.size() * encodedTypes().size() * VARIANTS.size(), vectors);
        assertEquals(vectors, VARIANTS.size() * vectors().count());
    }
}
