package io.sparkgguf.qat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Training of two small blocks together on a coarse grid, from plain rounding. */
class ModelTrainerTest {
    private static final long SEED = 20261202;
    private static final int SEQUENCES = 20;
    private static final int HELD_OUT = 4;

    private static RandomStack stack() throws IOException {
        return new RandomStack("llama", 256, 256, new int[] {4, 2, 64}, 64, SEED);
    }

    private static QatSettings settings(double weightRate, double scaleRate) {
        return new QatSettings(QatSettings.Mode.WEIGHTS, 24, 4, weightRate, scaleRate, 0.45, HELD_OUT, 8, 9, 1);
    }

    private static ModelTrainer trainer(
            RandomStack stack,
            QatSettings settings,
            List<MemoryGradients.Sequence> sequences,
            List<Map<Layer, BlockTrainer.Coded>> start) {
        return new ModelTrainer(stack.config, settings, stack.model(sequences), stack.matrices, start);
    }

    @Test
    void comesCloserToTheUnquantizedModel() throws IOException {
        RandomStack stack = stack();
        List<Map<Layer, BlockTrainer.Coded>> start = stack.rounded(BlockType.Q2_K);
        List<MemoryGradients.Sequence> sequences = stack.sequences(SEQUENCES, 16);
        QatSettings settings = settings(0.01, 0.002);
        ModelTrainer.Result result = trainer(stack, settings, sequences, start).train();
        TrainingLog log = result.log();
        assertEquals(BlockTrainer.End.IMPROVED, log.end(), "held out: " + log.heldOut());
        assertTrue(log.best() < 0.9 * log.before(), log.before() + " to " + log.best());

        // what is claimed is what the blocks decode to
        MemoryModel model = stack.model(sequences);
        int[] heldOut = {16, 17, 18, 19};
        assertEquals(log.best(), model.divergence(stack.decoded(result.blocks()), heldOut) / model.tokens(heldOut));
        assertEquals(log.before(), model.divergence(stack.decoded(start), heldOut) / model.tokens(heldOut));

        // and comes out again, to the bit
        ModelTrainer.Result again = trainer(stack, settings, sequences, start).train();
        assertEquals(log, again.log());
        for (int block = 0; block < RandomStack.BLOCKS; block++) {
            for (Layer layer : Layer.values()) {
                assertArrayEquals(
                        result.blocks().get(block).get(layer).blocks(),
                        again.blocks().get(block).get(layer).blocks(),
                        layer + " of block " + block);
            }
        }
    }

    /** Only what is named is trained; a block of which nothing is computes with what it is given. */
    @Test
    void blocksCanBeLeftAlone() throws IOException {
        RandomStack stack = stack();
        Map<Layer, BlockTrainer.Coded> up = Map.of(
                Layer.FEED_FORWARD_UP, stack.rounded(BlockType.Q2_K).get(1).get(Layer.FEED_FORWARD_UP));
        ModelTrainer.Result result = trainer(
                        stack, settings(0.01, 0.002), stack.sequences(SEQUENCES, 16), List.of(Map.of(), up))
                .train();
        assertEquals(Map.of(), result.blocks().get(0));
        assertEquals(up.keySet(), result.blocks().get(1).keySet());
        assertEquals(BlockTrainer.End.IMPROVED, result.log().end());
    }

    @Test
    void whatDoesNotImproveStays() throws IOException {
        RandomStack stack = stack();
        List<Map<Layer, BlockTrainer.Coded>> start = stack.rounded(BlockType.Q2_K);
        ModelTrainer.Result result = trainer(stack, settings(1, 0.5), stack.sequences(SEQUENCES, 16), start)
                .train(); // far too fast
        assertEquals(
                BlockTrainer.End.KEPT,
                result.log().end(),
                "held out: " + result.log().heldOut());
        for (int block = 0; block < RandomStack.BLOCKS; block++) {
            assertSame(start.get(block), result.blocks().get(block));
        }
    }

    @Test
    void aDivergenceThatIsNoNumberFallsBack() throws IOException {
        RandomStack stack = stack();
        List<Map<Layer, BlockTrainer.Coded>> start = stack.rounded(BlockType.Q2_K);
        List<MemoryGradients.Sequence> sequences = new ArrayList<>(stack.sequences(SEQUENCES, 16));
        sequences.get(0).target()[5] = Float.NaN;
        ModelTrainer.Result result =
                trainer(stack, settings(0.01, 0.002), sequences, start).train();
        assertEquals(BlockTrainer.End.DIVERGED, result.log().end());
        assertFalse(Double.isNaN(result.log().best()));
        assertEquals(Layer.values().length, result.blocks().get(1).size());
    }

    @Test
    void blocksWithoutWeightsAreRefused() throws IOException {
        RandomStack stack = stack();
        IllegalArgumentException refused = assertThrows(
                IllegalArgumentException.class,
                () -> trainer(stack, settings(0.01, 0.002), stack.sequences(SEQUENCES, 16), List.of(Map.of())));
        assertEquals("Cannot train 1 blocks with the weights of 2", refused.getMessage());
    }
}
