package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.kernel.Binary16;
import io.sparkgguf.kernel.WeightedBlocks;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The asymmetric formats, in vectors and by their scalar definitions, give the bytes of ggml's quantizers. */
class AsymmetricGoldenTest {
    static Stream<Arguments> kQuants() {
        return GoldenFile.NAMES.stream()
                .flatMap(input -> Stream.of("plain", "imatrix", "imatrix_with_zeros")
                        .flatMap(importance -> Stream.of(true, false)
                                .flatMap(vector -> Stream.of(new Q2K(vector), new Q4K(vector), new Q5K(vector))
                                        .map(format -> Arguments.of(
                                                input, format.encoding().label(), importance, vector, format)))));
    }

    @ParameterizedTest(name = "{0} {1} {2} vector={3}")
    @MethodSource("kQuants")
    void kQuantsEqualGgml(String input, String type, String importance, boolean vector, BlockFormat format) {
        GoldenFile golden = GoldenFile.read(input);
        byte[] expected = golden.tensors().get(type + "." + importance);
        byte[] actual = new byte[expected.length];
        float[] q = importance.equals("plain") ? null : golden.floats(importance);
        format.encode(golden.input(), 0, golden.rows(), golden.columns(), q, 0, actual, 0);
        assertEquals(-1, Arrays.mismatch(expected, actual), "first byte that differs");
        assertEquals(
                -1,
                format.firstNonFinite(
                        actual, 0, actual.length / format.encoding().blockBytes()));
    }

    static Stream<Arguments> weightedBlocks() {
        return GoldenFile.NAMES.stream()
                .flatMap(input -> Stream.of("imatrix", "imatrix_with_zeros")
                        .flatMap(importance -> Stream.of(true, false)
                                .flatMap(vector -> Stream.of(15, 31)
                                        .map(maxLevel -> Arguments.of(input, importance, vector, maxLevel)))));
    }

    @ParameterizedTest(name = "{0} {1} vector={2} maxLevel={3}")
    @MethodSource("weightedBlocks")
    void weightedBlocksEqualGgml(String input, String importance, boolean vector, int maxLevel) {
        GoldenFile golden = GoldenFile.read(input);
        byte[] expected = golden.tensors().get((maxLevel == 15 ? "Q4_1." : "Q5_1.") + importance);
        ByteBuffer actual = ByteBuffer.allocate(expected.length).order(ByteOrder.LITTLE_ENDIAN);
        new WeightedBlocks(maxLevel, vector)
                .fit(
                        golden.input(),
                        0,
                        golden.rows(),
                        golden.columns(),
                        golden.floats(importance),
                        0,
                        (b, scale, minimum, l) -> {
                            assertEquals(b, actual.position() / (maxLevel == 15 ? 20 : 24), "blocks come in order");
                            layOut(actual, maxLevel, scale, minimum, l);
                        });
        assertArrayEquals(expected, actual.array());
    }

    /** Two binary16, the fifth bits where there are such, then nibbles: weight j low, weight j + 16 high. */
    private static void layOut(ByteBuffer to, int maxLevel, float scale, float minimum, byte[] levels) {
        to.putShort(Binary16.fromFloat(scale)).putShort(Binary16.fromFloat(minimum));
        if (maxLevel == 31) {
            int fifth = 0;
            for (int i = 0; i < 32; i++) {
                fifth |= levels[i] >> 4 << i;
            }
            to.putInt(fifth);
        }
        for (int i = 0; i < 16; i++) {
            to.put((byte) (levels[i] & 15 | (levels[i + 16] & 15) << 4));
        }
    }
}
