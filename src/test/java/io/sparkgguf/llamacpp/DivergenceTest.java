package io.sparkgguf.llamacpp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DivergenceTest {
    @TempDir
    Path folder;

    private Logits logits(int sequences, int first, int end, float... values) throws IOException {
        Path file = Files.createTempFile(folder, "logits", ".f32");
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return new Logits(Files.write(file, bytes.array()), sequences, first, end);
    }

    @Test
    void divergenceIsThatOfTheDefinition() {
        float[] half = {7f, 7f};
        float[] quarter = {0f, (float) Math.log(3)};
        double expected = 0.5 * Math.log(0.5 / 0.25) + 0.5 * Math.log(0.5 / 0.75);
        assertEquals(expected, Divergence.kl(half, quarter), 1e-7);
        assertEquals(0, Divergence.kl(quarter, new float[] {-5f, -5f + (float) Math.log(3)}), 1e-13);
    }

    @Test
    void largeLogitsDoNotOverflow() {
        assertArrayEquals(new double[] {-1000, 0}, Divergence.logSoftmax(new float[] {2000f, 3000f}));
    }

    @Test
    void meanIsOverThePositionsThatAreThere() throws IOException {
        float third = (float) Math.log(3);
        float[][][] expected = {{{9f, 1f}, {1f, 1f}, {1f, 1f}}};
        try (Logits actual = logits(1, 1, 3, 0f, 0f, 0f, third)) {
            double second = Divergence.kl(expected[0][2], new float[] {0f, third});
            assertEquals(second / 2, Divergence.meanKl(expected, actual), 1e-15);
            Divergence.assertMeanKlBelow(0.1, expected, actual);
            AssertionError error =
                    assertThrows(AssertionError.class, () -> Divergence.assertMeanKlBelow(0.05, expected, actual));
            assertEquals(
                    "mean KL is 0.0719, not below 0.0500 ==> expected: <true> but was: <false>", error.getMessage());
        }
    }

    @Test
    void nanIsNotClose() throws IOException {
        float[][][] expected = {{{1f, 2f}}};
        try (Logits actual = logits(1, 0, 1, Float.NaN, 0f)) {
            assertThrows(AssertionError.class, () -> Divergence.assertMeanKlBelow(1e9, expected, actual));
        }
    }

    @Test
    void perplexityCountsTheSecondHalfOfEachChunk() throws IOException {
        int[][] chunks = Perplexity.chunks(new int[] {1, 1, 0, 9, 1, 0, 0, 1, 1, 1}, 4, 7, 10);
        assertArrayEquals(new int[][] {{7, 1, 1, 0}, {7, 1, 0, 0}}, chunks);
        assertEquals(2, Perplexity.chunks(new int[7], 4, 7, 10).length);
        assertEquals(1, Perplexity.chunks(new int[9], 4, 7, 1).length);
        float third = (float) Math.log(3); // the next token, 0, has probability 1/4, then 1/2
        float[] rows = {0f, third, 5f, 5f, 2f, 2f, 5f, 5f};
        try (Logits logits = logits(2, Perplexity.first(4), 4, rows)) {
            assertEquals(Math.sqrt(4 * 2), Perplexity.of(chunks, logits), 1e-6);
        }
    }

    @Test
    void fileThatIsNoWholeTableIsRefused() {
        IOException error = assertThrows(IOException.class, () -> logits(2, 0, 2, 1f, 2f, 3f, 4f, 5f));
        assertEquals("Cannot read logits of 4 positions: the file has 20 bytes", error.getMessage());
    }
}
