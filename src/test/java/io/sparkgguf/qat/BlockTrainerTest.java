package io.sparkgguf.qat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Training of a small block on coarse grids, from plain rounding. */
class BlockTrainerTest {
    private static final long SEED = 20261129;
    private static final int TOKENS = 24;

    /** Directions that inputs vary in. */
    private static final int HIDDEN = 12;

    private static RandomBlock block() throws IOException {
        return new RandomBlock("llama", 256, 256, new int[] {4, 2, 64}, TOKENS, SEED);
    }

    private static QatSettings settings(QatSettings.Mode mode, double weightRate, double scaleRate) {
        return new QatSettings(mode, 40, 4, weightRate, scaleRate, 0.45, 4, 10, 9, 1);
    }

    /** What a block's layers compute, row after row. */
    private static float[] rows(RandomBlock block, Layer layer) {
        int rows = layer.rows(block.config);
        float[] matrix = new float[layer.size(block.config)];
        block.weights.rows(layer.in(0) + ".weight", 0, rows, matrix, 0);
        return matrix;
    }

    private static Map<Layer, BlockTrainer.Coded> rounded(RandomBlock block, BlockType type) {
        Map<Layer, BlockTrainer.Coded> rounded = new EnumMap<>(Layer.class);
        for (Layer layer : Layer.values()) {
            int columns = layer.columns(block.config);
            byte[] blocks = new byte[Math.toIntExact(type.bytes(layer.size(block.config)))];
            BlockFormats.of(type).encode(rows(block, layer), 0, layer.rows(block.config), columns, null, 0, blocks, 0);
            rounded.put(layer, new BlockTrainer.Coded(type, blocks));
        }
        return rounded;
    }

    /** Inputs that depend on each other, as natural ones do: a few hidden ones in other mixtures, and little noise. */
    private static float[] inputs(long seed) {
        float[] mix = RandomBlock.normals(new Random(SEED), HIDDEN * 256, 1 / Math.sqrt(HIDDEN));
        float[] hidden = RandomBlock.normals(new Random(seed), TOKENS * HIDDEN, 1);
        float[] input = RandomBlock.normals(new Random(-seed), TOKENS * 256, 0.1);
        Gemm.multiply(TOKENS, 256, HIDDEN, hidden, 0, HIDDEN, mix, 0, 256, true, input, 0, 256);
        return input;
    }

    /** Sequences with the unquantized block's output as target. */
    private static MemoryGradients source(RandomBlock block, Map<Layer, BlockTrainer.Coded> start, float spoiled) {
        BlockPass pass = new BlockPass(block.config, block.vectors);
        List<MemoryGradients.Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < 28; i++) {
            float[] input = inputs(SEED + i);
            float[] target = new float[input.length];
            pass.forward(block.matrices, input, TOKENS, target);
            if (i == 0 && spoiled != 0) {
                target[5] = spoiled;
            }
            sequences.add(new MemoryGradients.Sequence(input, target));
        }
        return new MemoryGradients(
                block.config, block.vectors, MemoryGradients.Measure.SQUARED, sequences, start.keySet());
    }

    @ParameterizedTest
    @CsvSource({
        "Q2_K, WEIGHTS, 0.01, 0.001",
        "Q3_K, WEIGHTS, 0.01, 0.001",
        "TQ2_0, WEIGHTS, 0.01, 0.001",
        "IQ4_NL, WEIGHTS, 0.01, 0.001",
        "Q2_K, ROUNDING, 0.02, 0.001"
    })
    void comesCloserToTheUnquantizedBlock(BlockType type, QatSettings.Mode mode, double weightRate, double scaleRate)
            throws IOException {
        RandomBlock block = block();
        Map<Layer, BlockTrainer.Coded> start = rounded(block, type);
        MemoryGradients source = source(block, start, 0);
        QatSettings settings = settings(mode, weightRate, scaleRate);
        BlockTrainer.Result result = new BlockTrainer(block.config, settings, source, block.matrices, start).train();
        assertEquals(BlockTrainer.End.IMPROVED, result.end(), "held out: " + result.heldOut());
        assertTrue(result.after() < 0.97 * result.before(), result.before() + " to " + result.after());

        // what is claimed is what the blocks decode to
        BlockMatrices decoded = new BlockMatrices();
        result.blocks().forEach((layer, coded) -> decoded.put(layer, byColumns(block, layer, coded)));
        int[] heldOut = {24, 25, 26, 27};
        assertEquals(result.after(), source.error(decoded, heldOut) / source.elements(heldOut));

        // and comes out again, to the bit
        BlockTrainer.Result again = new BlockTrainer(block.config, settings, source, block.matrices, start).train();
        assertEquals(result.training(), again.training());
        result.blocks()
                .forEach((layer, coded) -> assertArrayEquals(
                        coded.blocks(), again.blocks().get(layer).blocks(), layer.toString()));
    }

    /** A training that is put away between two steps, and goes on from its numbers alone, is the same one. */
    @ParameterizedTest
    @CsvSource({"Q2_K, WEIGHTS, 0", "Q2_K, WEIGHTS, 7", "Q5_1, WEIGHTS, 10", "TQ2_0, ROUNDING, 3", "Q4_1, ROUNDING, 0"})
    void goesOnWhereItWasLeft(BlockType type, QatSettings.Mode mode, int step) throws IOException {
        RandomBlock block = block();
        Map<Layer, BlockTrainer.Coded> start = rounded(block, type);
        MemoryGradients source = source(block, start, 0);
        QatSettings settings = settings(mode, 0.01, 0.001).withSteps(14);
        TrainingLog whole = new BlockTrainer(block.config, settings, source, block.matrices, start).train(14);

        Map<Layer, TrainedLayer> layers = new EnumMap<>(Layer.class);
        start.forEach((layer, coded) -> layers.put(
                layer,
                new TrainedLayer(
                        type,
                        layer.rows(block.config),
                        layer.columns(block.config),
                        block.matrices.of(layer),
                        coded.blocks(),
                        settings.margin())));
        TrainingLog first =
                new BlockTrainer(block.config, settings, source, new BlockMatrices(), layers, null).train(step);
        assertEquals(step, first.steps());
        Map<Layer, TrainedLayer> later = new EnumMap<>(Layer.class);
        layers.forEach((layer, trained) -> {
            List<float[]> copies =
                    trained.numbers().stream().map(float[]::clone).toList();
            later.put(layer, new TrainedLayer(type, layer.rows(block.config), layer.columns(block.config), copies));
        });
        BlockTrainer rest = new BlockTrainer(block.config, settings, source, new BlockMatrices(), later, first);
        assertEquals(whole, rest.train(14));
        BlockTrainer again = new BlockTrainer(block.config, settings, source, block.matrices, start);
        again.train(14);
        again.best()
                .forEach((layer, coded) ->
                        assertArrayEquals(coded.blocks(), rest.best().get(layer).blocks(), layer.toString()));
    }

    /** Whichever step is asked for, its batch is the same; no sequence comes again before all others came. */
    @Test
    void batchesFollowFromTheStepAlone() {
        QatSettings settings = settings(QatSettings.Mode.WEIGHTS, 0.01, 0.001);
        Batches inOrder = new Batches(settings, 28);
        Batches other = new Batches(settings, 28);
        assertArrayEquals(new int[] {24, 25, 26, 27}, inOrder.measured());
        List<int[]> batches = new ArrayList<>();
        Map<Integer, Integer> seen = new TreeMap<>();
        for (int step = 0; step < 12; step++) {
            batches.add(inOrder.of(step));
            Arrays.stream(batches.get(step)).forEach(sequence -> seen.merge(sequence, 1, Integer::sum));
        }
        assertEquals(24, seen.size());
        assertEquals(Set.of(2), Set.copyOf(seen.values()));
        for (int step : new int[] {11, 3, 4, 0}) {
            assertArrayEquals(batches.get(step), other.of(step), "step " + step);
        }
    }

    private static float[] byColumns(RandomBlock block, Layer layer, BlockTrainer.Coded coded) {
        int rows = layer.rows(block.config);
        int columns = layer.columns(block.config);
        float[] decoded = new float[rows * columns];
        BlockFormats.of(coded.type()).decode(coded.blocks(), 0, decoded.length, decoded, 0);
        float[] turned = new float[decoded.length];
        for (int i = 0; i < decoded.length; i++) {
            turned[i % columns * rows + i / columns] = decoded[i];
        }
        return turned;
    }

    /** Before the first step the values are those of the given blocks, whatever the originals are. */
    @ParameterizedTest
    @EnumSource(names = {"Q2_K", "Q3_K", "Q4_K", "Q6_K", "Q4_0", "Q5_1", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "Q1_0"})
    void beginsAtTheGivenBlocks(BlockType type) throws IOException {
        RandomBlock block = block();
        Layer layer = Layer.FEED_FORWARD_UP;
        BlockTrainer.Coded given = rounded(block, type).get(layer);
        float[] original = RandomBlock.normals(new Random(SEED), layer.size(block.config), 0.1);
        TrainedLayer trained = new TrainedLayer(type, 256, 256, original, given.blocks(), 0.45);
        assertArrayEquals(byColumns(block, layer, given), trained.values());
        assertArrayEquals(
                byColumns(block, layer, given),
                byColumns(block, layer, new BlockTrainer.Coded(type, trained.blocks())));
    }

    @Test
    void whatDoesNotImproveStays() throws IOException {
        RandomBlock block = block();
        Map<Layer, BlockTrainer.Coded> start = rounded(block, BlockType.Q2_K);
        BlockTrainer.Result result = new BlockTrainer(
                        block.config,
                        settings(QatSettings.Mode.WEIGHTS, 1, 0.5), // far too fast
                        source(block, start, 0),
                        block.matrices,
                        start)
                .train();
        assertEquals(BlockTrainer.End.KEPT, result.end(), "held out: " + result.heldOut());
        assertEquals(result.before(), result.after());
        start.forEach((layer, coded) -> assertSame(coded, result.blocks().get(layer)));
    }

    @Test
    void anErrorThatIsNoNumberFallsBack() throws IOException {
        RandomBlock block = block();
        Map<Layer, BlockTrainer.Coded> start = rounded(block, BlockType.Q2_K);
        BlockTrainer.Result result = new BlockTrainer(
                        block.config,
                        settings(QatSettings.Mode.WEIGHTS, 0.01, 0.001),
                        source(block, start, Float.NaN),
                        block.matrices,
                        start)
                .train();
        assertEquals(BlockTrainer.End.DIVERGED, result.end());
        assertFalse(Double.isNaN(result.after()));
        assertTrue(Double.isNaN(result.training().get(result.training().size() - 1)));
        assertEquals(Layer.values().length, result.blocks().size());
    }

    /** Only what is named is trained; the rest computes with what it is given. */
    @Test
    void layersCanBeLeftAlone() throws IOException {
        RandomBlock block = block();
        Map<Layer, BlockTrainer.Coded> start = new EnumMap<>(Layer.class);
        start.put(Layer.FEED_FORWARD_DOWN, rounded(block, BlockType.Q2_K).get(Layer.FEED_FORWARD_DOWN));
        BlockTrainer.Result result = new BlockTrainer(
                        block.config,
                        settings(QatSettings.Mode.WEIGHTS, 0.01, 0.001),
                        source(block, start, 0),
                        block.matrices,
                        start)
                .train();
        assertEquals(Set.of(Layer.FEED_FORWARD_DOWN), result.blocks().keySet());
        assertEquals(BlockTrainer.End.IMPROVED, result.end());
    }

    @Test
    void whatCannotBeTrainedIsRefused() throws IOException {
        RandomBlock block = block();
        Map<Layer, BlockTrainer.Coded> start =
                Map.of(Layer.FEED_FORWARD_UP, new BlockTrainer.Coded(BlockType.MXFP4, new byte[256 * 136]));
        MemoryGradients source = source(block, start, 0);
        QatSettings settings = settings(QatSettings.Mode.WEIGHTS, 0.01, 0.001);
        InvalidInputException unknown = assertThrows(
                InvalidInputException.class,
                () -> new BlockTrainer(block.config, settings, source, block.matrices, start));
        assertEquals("Cannot train weights on MXFP4: it has no grid", unknown.getMessage());
        QatSettings all = new QatSettings(QatSettings.Mode.WEIGHTS, 1, 1, 0, 0, 0, 28, 1, 1, 1);
        IllegalArgumentException none = assertThrows(
                IllegalArgumentException.class,
                () -> new BlockTrainer(block.config, all, source, block.matrices, start));
        assertEquals(
                "Cannot train with 28 sequences, 28 of them held out: at least one must be left", none.getMessage());
        for (double[] wrong : new double[][] {{2, 0, 0}, {0, -1, 0}, {0, 0, 0.5}}) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new QatSettings(QatSettings.Mode.WEIGHTS, 1, 1, wrong[0], wrong[1], wrong[2], 1, 1, 1, 1),
                    Arrays.toString(wrong));
        }
    }
}
