package io.sparkgguf.qat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A model's divergence and its gradients, against its definition in float64 and central differences of that. */
class MemoryModelTest {
    private static final long SEED = 20261201;
    private static final int VOCABULARY = 29;
    private static final int MOVED = 6;
    private static final double STEP = 1e-5;

    private static RandomStack stack(String architecture) throws IOException {
        return new RandomStack(architecture, 24, 37, new int[] {6, 2, 8}, VOCABULARY, SEED);
    }

    /** A sequence whose target is somewhere else than the stack's output. */
    private static MemoryGradients.Sequence apart(RandomStack stack, int tokens) {
        MemoryGradients.Sequence sequence = stack.sequences(1, tokens).get(0);
        float[] other = RandomBlock.normals(new Random(SEED), sequence.target().length, 1);
        for (int i = 0; i < other.length; i++) {
            other[i] += sequence.target()[i];
        }
        return new MemoryGradients.Sequence(sequence.input(), other);
    }

    /** The definition, block after block, then the head. */
    private static double divergence(RandomStack stack, List<ReferenceBlock> blocks, float[] target) {
        double[] hidden = blocks.get(0).run();
        System.arraycopy(hidden, 0, blocks.get(1).input, 0, hidden.length);
        hidden = blocks.get(1).run();
        int width = stack.config.width();
        double sum = 0;
        for (int at = 0; at < hidden.length; at += width) {
            double[] student = new double[width];
            double[] teacher = new double[width];
            for (int i = 0; i < width; i++) {
                student[i] = hidden[at + i];
                teacher[i] = target[at + i];
            }
            double[] p = logProbabilities(stack, teacher);
            double[] q = logProbabilities(stack, student);
            for (int i = 0; i < VOCABULARY; i++) {
                sum += StrictMath.exp(p[i]) * (p[i] - q[i]);
            }
        }
        return sum;
    }

    private static double[] logProbabilities(RandomStack stack, double[] hidden) {
        double squares = 0;
        for (double x : hidden) {
            squares += x * x;
        }
        double factor = 1 / Math.sqrt(squares / hidden.length + stack.config.epsilon());
        double[] logits = new double[VOCABULARY];
        double all = 0;
        for (int token = 0; token < VOCABULARY; token++) {
            for (int i = 0; i < hidden.length; i++) {
                logits[token] +=
                        hidden[i] * factor * stack.head.norm()[i] * stack.head.matrix()[token * hidden.length + i];
            }
            all += StrictMath.exp(logits[token]);
        }
        for (int token = 0; token < VOCABULARY; token++) {
            logits[token] -= StrictMath.log(all);
        }
        return logits;
    }

    /** The longer one crosses the border of the head's slabs. */
    @ParameterizedTest
    @CsvSource({"llama, 5", "qwen3, 5", "llama, 67"})
    void gradientsAreThoseOfDifferences(String architecture, int tokens) throws IOException {
        RandomStack stack = stack(architecture);
        MemoryGradients.Sequence sequence = apart(stack, tokens);
        MemoryModel model = stack.model(List.of(sequence));
        List<BlockMatrices> gradients = stack.zeros();
        double found = model.gradient(stack.matrices, new int[] {0}, gradients);

        List<ReferenceBlock> blocks = new ArrayList<>();
        for (int block = 0; block < RandomStack.BLOCKS; block++) {
            blocks.add(new ReferenceBlock(
                    stack.config, stack.vectors.get(block), stack.matrices.get(block), sequence.input(), tokens));
        }
        double expected = divergence(stack, blocks, sequence.target());
        assertEquals(expected, found, 1e-5 * expected);
        assertEquals(found, model.divergence(stack.matrices, new int[] {0}));
        assertTrue(expected > 0.01 * tokens, "it is apart: " + expected);

        for (int block = 0; block < RandomStack.BLOCKS; block++) {
            for (Layer layer : Layer.values()) {
                String what = layer + " of block " + block + " of " + architecture + ", seed " + SEED;
                double[] moved = blocks.get(block).weights.get(layer);
                float[] gradient = gradients.get(block).of(layer);
                double largest = 0;
                for (float g : gradient) {
                    largest = Math.max(largest, Math.abs(g));
                }
                assertTrue(largest > 1e-3, what + " matters: " + largest);
                Random random = new Random(SEED + what.hashCode());
                for (int i = 0; i < MOVED; i++) {
                    int at = random.nextInt(moved.length);
                    double before = moved[at];
                    moved[at] = before + STEP;
                    double above = divergence(stack, blocks, sequence.target());
                    moved[at] = before - STEP;
                    double below = divergence(stack, blocks, sequence.target());
                    moved[at] = before;
                    assertEquals(
                            (above - below) / (2 * STEP),
                            gradient[at],
                            5e-5 * largest,
                            "element " + at + " of " + what);
                }
            }
        }
    }

    @Test
    void nothingIsApartFromItself() throws IOException {
        RandomStack stack = stack("llama");
        MemoryModel model = stack.model(stack.sequences(2, 9));
        assertEquals(0, model.divergence(stack.matrices, new int[] {0, 1}), 1e-9);
        assertEquals(18, model.tokens(new int[] {0, 1}));
    }

    /** So that sums of parts made elsewhere, added in order, have the same bits. */
    @Test
    void sequencesAddUpInOrder() throws IOException {
        RandomStack stack = stack("llama");
        List<MemoryGradients.Sequence> sequences = List.of(apart(stack, 7), apart(stack, 11));
        List<BlockMatrices> both = stack.zeros();
        double sum = stack.model(sequences).gradient(stack.matrices, new int[] {1, 0}, both);
        List<BlockMatrices> second = stack.zeros();
        double parts = stack.model(sequences).gradient(stack.matrices, new int[] {1}, second);
        List<BlockMatrices> first = stack.zeros();
        parts += stack.model(sequences).gradient(stack.matrices, new int[] {0}, first);
        assertEquals(sum, parts);
        for (int block = 0; block < RandomStack.BLOCKS; block++) {
            second.get(block).add(first.get(block));
            for (Layer layer : Layer.values()) {
                assertArrayEquals(both.get(block).of(layer), second.get(block).of(layer), layer + " of block " + block);
            }
        }
    }

    /** Where the first block has nothing to train, the second's gradients are the same. */
    @Test
    void blocksCanBeLeftAlone() throws IOException {
        RandomStack stack = stack("llama");
        List<MemoryGradients.Sequence> sequences = List.of(apart(stack, 7));
        List<BlockMatrices> all = stack.zeros();
        stack.model(sequences).gradient(stack.matrices, new int[] {0}, all);
        Set<Layer> one = Set.of(Layer.FEED_FORWARD_UP);
        List<BlockMatrices> few = List.of(new BlockMatrices(), BlockMatrices.zeros(stack.config, one));
        new MemoryModel(
                        stack.config,
                        stack.vectors,
                        stack.head,
                        stack.head,
                        MemoryGradients.listed(stack.config, sequences),
                        List.of(Set.of(), one))
                .gradient(stack.matrices, new int[] {0}, few);
        assertArrayEquals(all.get(1).of(Layer.FEED_FORWARD_UP), few.get(1).of(Layer.FEED_FORWARD_UP));
    }

    @Test
    void headsOfOtherVocabulariesAreRefused() throws IOException {
        RandomStack stack = stack("llama");
        OutputHead other = new OutputHead(stack.head.norm(), new float[24 * 30]);
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> new HeadPass(stack.config, stack.head, other));
        assertEquals("Cannot compare logits of 29 tokens with those of 30", refused.getMessage());
    }
}
