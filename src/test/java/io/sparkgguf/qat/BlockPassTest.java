package io.sparkgguf.qat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.forward.Decoder;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A block's gradients against central differences of its definition in float64. */
class BlockPassTest {
    private static final long SEED = 20261126;

    /** Elements of each array that are moved. */
    private static final int MOVED = 12;

    private static final double STEP = 1e-5;

    private static RandomBlock block(String architecture, int tokens) throws IOException {
        return new RandomBlock(architecture, 24, 37, new int[] {6, 2, 8}, tokens, SEED);
    }

    /** The longer ones cross the borders of attention's blocks of queries and of keys. */
    @ParameterizedTest
    @CsvSource({"llama, 2", "llama, 7", "qwen2, 7", "qwen3, 7", "llama, 139", "qwen3, 139"})
    void gradientsAreThoseOfDifferences(String architecture, int tokens) throws IOException {
        RandomBlock block = block(architecture, tokens);
        float[] slope = RandomBlock.normals(new Random(SEED), block.hidden.length, 1);
        BlockPass pass = new BlockPass(block.config, block.vectors);
        BlockMatrices gradients = BlockMatrices.zeros(block.config, List.of(Layer.values()));
        float[] d = slope.clone();
        pass.forward(block.matrices, block.hidden, tokens, new float[block.hidden.length]);
        pass.backward(block.matrices, d, gradients, true);

        ReferenceBlock reference = block.reference();
        for (Layer layer : Layer.values()) {
            compare(layer + " of " + architecture, reference, reference.weights.get(layer), slope, gradients.of(layer));
        }
        compare("the input of " + architecture, reference, reference.input, slope, d);
    }

    private static void compare(
            String what, ReferenceBlock reference, double[] moved, float[] slope, float[] gradient) {
        double largest = 0;
        for (float g : gradient) {
            largest = Math.max(largest, Math.abs(g));
        }
        Random random = new Random(SEED + what.hashCode());
        for (int i = 0; i < MOVED; i++) {
            int at = random.nextInt(moved.length);
            double before = moved[at];
            moved[at] = before + STEP;
            double above = product(reference.run(), slope);
            moved[at] = before - STEP;
            double below = product(reference.run(), slope);
            moved[at] = before;
            assertEquals(
                    (above - below) / (2 * STEP),
                    gradient[at],
                    2e-5 * largest,
                    "element " + at + " of " + what + ", seed " + SEED);
        }
        assertTrue(largest > 0.01, what + " matters: " + largest);
    }

    private static double product(double[] x, float[] y) {
        double sum = 0;
        for (int i = 0; i < y.length; i++) {
            sum += x[i] * y[i];
        }
        return sum;
    }

    @ParameterizedTest
    @CsvSource({"llama", "qwen2", "qwen3"})
    void forwardHasTheBitsOfTheDecoder(String architecture) throws IOException {
        RandomBlock block = block(architecture, 150);
        float[] expected = block.hidden.clone();
        new Decoder(block.config, block.weights)
                .block(0, expected, new int[] {150}, (number, input, x, tokens, columns) -> {}, null);
        float[] out = new float[expected.length];
        new BlockPass(block.config, block.vectors).forward(block.matrices, block.hidden, 150, out);
        assertArrayEquals(expected, out);
    }

    /** What a pass did before leaves no trace, and no gradient is made for layers that are not asked for. */
    @Test
    void gradientsDependOnTheSequenceAlone() throws IOException {
        RandomBlock block = block("qwen3", 70);
        RandomBlock other = new RandomBlock("qwen3", 24, 37, new int[] {6, 2, 8}, 90, SEED + 5);
        float[] slope = RandomBlock.normals(new Random(SEED), block.hidden.length, 1);
        BlockPass used = new BlockPass(block.config, block.vectors);
        used.forward(other.matrices, other.hidden, 90, new float[other.hidden.length]);
        used.backward(
                other.matrices, other.hidden.clone(), BlockMatrices.zeros(block.config, List.of(Layer.values())), true);
        BlockMatrices all = BlockMatrices.zeros(block.config, List.of(Layer.values()));
        float[] dAll = slope.clone();
        used.forward(block.matrices, block.hidden, 70, new float[block.hidden.length]);
        used.backward(block.matrices, dAll, all, true);

        BlockPass fresh = new BlockPass(block.config, block.vectors);
        BlockMatrices some = BlockMatrices.zeros(block.config, List.of(Layer.ATTENTION_KEY, Layer.FEED_FORWARD_UP));
        fresh.forward(block.matrices, block.hidden, 70, new float[block.hidden.length]);
        fresh.backward(block.matrices, slope.clone(), some, false);
        assertArrayEquals(all.of(Layer.ATTENTION_KEY), some.of(Layer.ATTENTION_KEY));
        assertArrayEquals(all.of(Layer.FEED_FORWARD_UP), some.of(Layer.FEED_FORWARD_UP));
        assertFalse(some.has(Layer.ATTENTION_QUERY));
        assertFalse(Arrays.equals(slope, dAll), "the gradient of the input was made");
    }

    /** A gradient of two sequences is the sum of their own gradients. */
    @Test
    void gradientsAddUp() throws IOException {
        RandomBlock block = block("llama", 20);
        float[] slope = RandomBlock.normals(new Random(SEED), block.hidden.length, 1);
        BlockPass pass = new BlockPass(block.config, block.vectors);
        BlockMatrices one = BlockMatrices.zeros(block.config, List.of(Layer.values()));
        pass.forward(block.matrices, block.hidden, 20, new float[block.hidden.length]);
        pass.backward(block.matrices, slope.clone(), one, false);
        BlockMatrices sum = BlockMatrices.zeros(block.config, List.of(Layer.values()));
        sum.add(one);
        sum.add(one);
        for (Layer layer : Layer.values()) {
            for (int i = 0; i < one.of(layer).length; i++) {
                assertEquals(2 * one.of(layer)[i], sum.of(layer)[i], layer + " element " + i);
            }
        }
        sum.clear();
        assertArrayEquals(new float[one.of(Layer.ATTENTION_KEY).length], sum.of(Layer.ATTENTION_KEY));
    }
}
