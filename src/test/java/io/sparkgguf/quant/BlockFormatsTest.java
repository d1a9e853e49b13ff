package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Encoding;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class BlockFormatsTest {
    private static final Set<BlockType> RECOGNISED_ONLY = EnumSet.of(
            BlockType.Q8_1,
            BlockType.Q8_K,
            BlockType.IQ1_S,
            BlockType.IQ1_M,
            BlockType.IQ2_XXS,
            BlockType.IQ2_XS,
            BlockType.IQ2_S,
            BlockType.IQ3_XXS,
            BlockType.IQ3_S);

    static Stream<Encoding> encodings() {
        return Stream.concat(Arrays.stream(BlockType.values()), Arrays.stream(DType.values()));
    }

    @ParameterizedTest
    @MethodSource("encodings")
    void everyEncodingHasItsFormat(Encoding encoding) {
        BlockFormat format = BlockFormats.of(encoding);
        assertSame(encoding, format.encoding());
        assertFalse(format.encodes() && !format.decodes(), "what is written can be read");
        if (RECOGNISED_ONLY.contains(encoding)) {
            assertFalse(format.decodes());
        }
    }

    @ParameterizedTest
    @MethodSource("encodings")
    void whatAFormatCannotDoIsRefusedByName(Encoding encoding) {
        BlockFormat format = BlockFormats.of(encoding);
        int elements = encoding.blockElements();
        byte[] block = new byte[encoding.blockBytes()];
        float[] weights = new float[elements];
        if (!format.encodes()) {
            Exception refusal = assertThrows(
                    UnsupportedOperationException.class,
                    () -> format.encode(weights, 0, 1, elements, null, 0, block, 0));
            assertEquals("Cannot encode " + encoding.label() + ": it has no encoder", refusal.getMessage());
        }
        if (!format.decodes()) {
            Exception refusal = assertThrows(
                    UnsupportedOperationException.class, () -> format.decode(block, 0, elements, weights, 0));
            assertEquals("Cannot decode " + encoding.label() + ": it has no decoder", refusal.getMessage());
        }
    }

    @ParameterizedTest
    @MethodSource("encodings")
    void argumentsOutOfBoundsAreRefusedBeforeAnythingIsWritten(Encoding encoding) {
        BlockFormat format = BlockFormats.of(encoding);
        int columns = 2 * encoding.blockElements();
        byte[] blocks = new byte[4 * encoding.blockBytes()];
        float[] weights = new float[2 * columns];
        byte[] untouched = blocks.clone();
        if (format.encodes()) {
            Arrays.fill(weights, 1f);
            assertThrows(
                    IndexOutOfBoundsException.class, () -> format.encode(weights, 1, 2, columns, null, 0, blocks, 0));
            assertThrows(
                    IndexOutOfBoundsException.class, () -> format.encode(weights, 0, 2, columns, null, 0, blocks, 1));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> format.encode(weights, 0, 2, columns, new float[columns], 1, blocks, 0));
            if (encoding.blockElements() > 1) {
                assertThrows(
                        IllegalArgumentException.class,
                        () -> format.encode(weights, 0, 2, columns - 1, null, 0, blocks, 0));
            }
            assertEquals(Arrays.toString(untouched), Arrays.toString(blocks));
        }
        if (format.decodes()) {
            assertThrows(IndexOutOfBoundsException.class, () -> format.decode(blocks, 1, 2 * columns, weights, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> format.decode(blocks, 0, 2 * columns, weights, 1));
        }
        assertThrows(IndexOutOfBoundsException.class, () -> format.firstNonFinite(blocks, 1, 4));
    }

    @ParameterizedTest
    @EnumSource(
            value = BlockType.class,
            names = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4"})
    void decodingGivesBackTheLevelsOfTheirOwnGrid(BlockType type) {
        // What was decoded once is on the grid: encoding it again must not move it by more than rounding scales does.
        BlockFormat format = BlockFormats.of(type);
        float[] weights = new float[512];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) Math.sin(i * i);
        }
        byte[] blocks = new byte[Math.toIntExact(type.bytes(512))];
        float[] once = new float[512];
        float[] twice = new float[512];
        format.encode(weights, 0, 2, 256, null, 0, blocks, 0);
        assertEquals(-1, format.firstNonFinite(blocks, 0, blocks.length / type.blockBytes()));
        format.decode(blocks, 0, 512, once, 0);
        format.encode(once, 0, 2, 256, null, 0, blocks, 0);
        format.decode(blocks, 0, 512, twice, 0);
        for (int i = 0; i < 512; i++) {
            assertEquals(once[i], twice[i], 0.002, "element " + i);
        }
    }

    /** Byte offsets of the little-endian binary16 scales of each type. */
    private static final Map<BlockType, int[]> HALF_SCALES = Map.ofEntries(
            Map.entry(BlockType.Q4_0, new int[] {0}),
            Map.entry(BlockType.Q4_1, new int[] {0, 2}),
            Map.entry(BlockType.Q5_0, new int[] {0}),
            Map.entry(BlockType.Q5_1, new int[] {0, 2}),
            Map.entry(BlockType.Q8_0, new int[] {0}),
            Map.entry(BlockType.Q8_1, new int[] {0, 2}),
            Map.entry(BlockType.Q2_K, new int[] {80, 82}),
            Map.entry(BlockType.Q3_K, new int[] {108}),
            Map.entry(BlockType.Q4_K, new int[] {0, 2}),
            Map.entry(BlockType.Q5_K, new int[] {0, 2}),
            Map.entry(BlockType.Q6_K, new int[] {208}),
            Map.entry(BlockType.IQ2_XXS, new int[] {0}),
            Map.entry(BlockType.IQ2_XS, new int[] {0}),
            Map.entry(BlockType.IQ2_S, new int[] {0}),
            Map.entry(BlockType.IQ3_XXS, new int[] {0}),
            Map.entry(BlockType.IQ3_S, new int[] {0}),
            Map.entry(BlockType.IQ1_S, new int[] {0}),
            Map.entry(BlockType.IQ4_NL, new int[] {0}),
            Map.entry(BlockType.IQ4_XS, new int[] {0}),
            Map.entry(BlockType.TQ1_0, new int[] {52}),
            Map.entry(BlockType.TQ2_0, new int[] {64}),
            Map.entry(BlockType.Q1_0, new int[] {0}),
            Map.entry(BlockType.Q2_0, new int[] {0}));

    static Stream<Arguments> halfScales() {
        return HALF_SCALES.entrySet().stream()
                .flatMap(entry ->
                        Arrays.stream(entry.getValue()).mapToObj(offset -> Arguments.of(entry.getKey(), offset)));
    }

    @ParameterizedTest
    @MethodSource("halfScales")
    void findsTheFirstBlockWithABadScale(BlockType type, int offset) {
        for (int bad : new int[] {0x7c00, 0xfc00, 0x7c01, 0xffff}) {
            // All bits set but those of the scales: levels are never looked at.
            byte[] blocks = filled(type, 9);
            BlockFormat format = BlockFormats.of(type);
            assertEquals(-1, format.firstNonFinite(blocks, 0, 9));
            putHalf(blocks, 7 * type.blockBytes() + offset, bad);
            assertEquals(7, format.firstNonFinite(blocks, 0, 9));
            putHalf(blocks, 4 * type.blockBytes() + offset, bad);
            assertEquals(4, format.firstNonFinite(blocks, 0, 9));
            assertEquals(2, format.firstNonFinite(blocks, 5 * type.blockBytes(), 4));
            assertEquals(-1, format.firstNonFinite(blocks, 0, 4));
        }
    }

    private static byte[] filled(BlockType type, int count) {
        byte[] blocks = new byte[count * type.blockBytes()];
        Arrays.fill(blocks, (byte) 0xff);
        for (int b = 0; b < count; b++) {
            for (int offset : HALF_SCALES.get(type)) {
                putHalf(blocks, b * type.blockBytes() + offset, 0x7bff);
            }
        }
        return blocks;
    }

    private static void putHalf(byte[] bytes, int at, int half) {
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putShort(at, (short) half);
    }

    @Test
    void iq1mGathersItsScaleFromFourWords() {
        byte[] blocks = new byte[3 * 56];
        Arrays.fill(blocks, (byte) 0xff);
        BlockFormat format = BlockFormats.of(BlockType.IQ1_M);
        assertEquals(0, format.firstNonFinite(blocks, 0, 3));
        // The top nibbles, word by word, are the half's nibbles from the lowest up: 0xf, 0xf, 0xf, then sign and
        // exponent.
        for (int b = 0; b < 3; b++) {
            blocks[b * 56 + 53] = (byte) 0xbf;
        }
        assertEquals(-1, format.firstNonFinite(blocks, 0, 3)); // 0xfbff
        blocks[56 + 53] = (byte) 0xcf; // 0xfcff
        assertEquals(1, format.firstNonFinite(blocks, 0, 3));
        blocks[56 + 55] = (byte) 0xbf; // 0xbcff
        assertEquals(-1, format.firstNonFinite(blocks, 0, 3));
    }

    @Test
    void otherScalesAreCheckedByTheirOwnRules() {
        byte[] q8k = new byte[3 * 292];
        ByteBuffer.wrap(q8k).order(ByteOrder.LITTLE_ENDIAN).putFloat(2 * 292, Float.NEGATIVE_INFINITY);
        assertEquals(2, BlockFormats.of(BlockType.Q8_K).firstNonFinite(q8k, 0, 3));
        assertEquals(-1, BlockFormats.of(BlockType.Q8_K).firstNonFinite(q8k, 0, 2));

        byte[] mx = new byte[3 * 17];
        Arrays.fill(mx, (byte) 0xff);
        mx[0] = (byte) 254;
        assertEquals(1, BlockFormats.of(BlockType.MXFP4).firstNonFinite(mx, 0, 3));
        assertEquals(-1, BlockFormats.of(BlockType.MXFP4).firstNonFinite(mx, 0, 1));

        byte[] any = new byte[72];
        Arrays.fill(any, (byte) 0xff);
        for (BlockType type : EnumSet.of(BlockType.NVFP4, BlockType.I8, BlockType.I16, BlockType.I32, BlockType.I64)) {
            assertEquals(-1, BlockFormats.of(type).firstNonFinite(any, 0, 2), type.name());
        }
    }
}
