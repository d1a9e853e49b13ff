package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.Halves;
import io.sparkgguf.tensor.BlockType;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TernaryWeightsTest {
    private static final long SEED = 20261124;

    private static float[] ternary(int count, double zeros, float scale) {
        Random random = new Random(SEED);
        float[] weights = new float[count];
        for (int i = 0; i < count; i++) {
            weights[i] = random.nextDouble() < zeros ? 0f : random.nextBoolean() ? scale : -scale;
        }
        return weights;
    }

    private static TernaryCensus census(BlockType type, float[] weights, int columns) {
        byte[] blocks = new byte[(int) type.bytes(weights.length)];
        float[] decoded = new float[weights.length];
        int rows = weights.length / columns;
        BlockFormats.of(type).encode(weights, 0, rows, columns, null, 0, blocks, 0);
        BlockFormats.of(type).decode(blocks, 0, weights.length, decoded, 0);
        ErrorStats first = new ErrorStats();
        ErrorStats second = new ErrorStats();
        first.add(weights, 0, decoded, 0, 1, columns);
        second.add(weights, columns, decoded, columns, rows - 1, columns);
        first.merge(second);
        return ErrorStats.parse(first.toString()).ternary(); // as a run that is taken up again has it
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void eachFieldOfAByteIsALevel(int field) {
        float[] bytes = new float[257];
        for (int i = 1; i < bytes.length; i++) {
            int bits = i - 1;
            bytes[i] = (bits >> 2 * field & 3) == 3 ? bits & ~(3 << 2 * field) : bits; // 3 is no level
        }
        float[] weights = bytes.clone();
        assertEquals(-1, TernaryWeights.unpack(weights, 1, 256, field, 0.25f));
        for (int i = 1; i < bytes.length; i++) {
            int level = (int) bytes[i] / (1 << 2 * field) % 4 - 1;
            assertEquals(0.25f * level + 0f, weights[i], "byte " + bytes[i]);
        }
        float[] bad = {0f, 0f, 3 << 2 * field, 0f};
        assertEquals(1, TernaryWeights.unpack(bad, 1, 3, field, 1f));
    }

    @Test
    void absmeanRoundingIsThatOfItsFormula() {
        float factor = TernaryWeights.factor(0.5);
        float[] weights = {
            -9f, -0.26f, -0.25f, -0.24f, 0f, 0.24f, 0.25f, 0.26f, 0.74f, 9f, Float.NaN, Float.NEGATIVE_INFINITY
        };
        TernaryWeights.round(weights, 1, weights.length - 1, factor);
        assertArrayEquals( // halves go to even, the first is not asked for
                new float[] {-9f, -0.5f, 0f, 0f, 0f, 0f, 0f, 0.5f, 0.5f, 0.5f, Float.NaN, Float.NEGATIVE_INFINITY},
                weights);
        assertEquals(1e5f, TernaryWeights.factor(0), "a mean of zero is taken as 1e-5");
    }

    /** Any share of zeros, any scale that a binary16 holds: the same weights. */
    @ParameterizedTest
    @CsvSource({
        "TQ1_0, 0, 1",
        "TQ1_0, 0.5, 0.0625",
        "TQ2_0, 0.5, 1.5",
        "TQ2_0, 0.99, 6.103515625e-5",
        "TQ1_0, 0.3, 65504"
    })
    void ternaryTypesKeepWeightsWhoseScaleIsABinary16(BlockType type, double zeros, float scale) {
        float[] weights = ternary(8 * 512, zeros, scale);
        TernaryCensus census = census(type, weights, 512);
        assertTrue(census.isTernary());
        assertEquals(scale, census.smallestScale());
        assertEquals(scale, census.largestScale());
        assertEquals(0, census.differing());
        assertEquals(0, census.mixedBlocks());
        assertEquals(weights.length, census.weights());
        assertEquals(0, census.scaleUlps());
        long zero = 0;
        for (float weight : weights) {
            zero += weight == 0 ? 1 : 0;
        }
        assertEquals(zero, census.zeros());
    }

    @ParameterizedTest
    @EnumSource(names = {"TQ1_0", "TQ2_0"})
    void otherScalesAreRoundedToTheNearestBinary16AndNoWeightFlips(BlockType type) {
        float scale = 0.30001f;
        TernaryCensus census = census(type, ternary(4 * 256, 0.5, scale), 256);
        float half = Halves.fromF16(Halves.toF16(scale));
        assertTrue(census.isTernary());
        assertEquals(census.weights() - census.zeros(), census.differing());
        assertEquals(0, census.flipped());
        assertEquals(
                Math.abs((double) scale - half) / 0x1p-12, census.scaleUlps(), 1e-9); // 0.25 to 0.5 has steps of 2^-12
        assertTrue(census.scaleUlps() <= 0.5);
    }

    @Test
    void othersAreNotTernary() {
        float[] weights = ternary(4 * 256, 0.5, 1f);
        assertFalse(census(BlockType.TQ2_0, new float[4 * 256], 256).isTernary(), "zeros");
        weights[700] = 0.5f;
        weights[701] = 1f;
        assertFalse(census(BlockType.TQ2_0, weights, 256).isTernary(), "two magnitudes beside each other");
        TernaryCensus four = census(BlockType.Q4_0, ternary(4 * 256, 0.5, 1f), 256);
        assertTrue(four.isTernary());
        assertTrue(four.differing() > 0, "Q4_0 has no level for both s and -s");
    }

    @Test
    void scalesWithinABlockAreCountedAsMixed() {
        float[] weights = ternary(4 * 256, 0.2, 1f);
        for (int i = 256; i < 256 + 128; i++) {
            weights[i] *= 2;
        }
        TernaryCensus census = census(BlockType.TQ2_0, weights, 256);
        assertTrue(census.isTernary());
        assertEquals(1, census.mixedBlocks());
        assertEquals(1f, census.smallestScale());
        assertEquals(2f, census.largestScale());
        for (int i = 0; i < 256; i++) {
            weights[i] *= 4;
        }
        assertEquals(1, census(BlockType.TQ2_0, weights, 256).mixedBlocks(), "one scale for each block is not mixed");
    }

    @Test
    void textThatIsNoCensusIsRefused() {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> TernaryCensus.parse("true 1"));
        assertEquals("Cannot read 'true 1' as a census of ternary weights", refused.getMessage());
    }
}
