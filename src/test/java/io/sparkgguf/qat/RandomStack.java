package io.sparkgguf.qat;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.RandomModel;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** Two seeded blocks with an output head, and sequences to run over them. */
final class RandomStack {
    static final int BLOCKS = 2;

    /** Directions that inputs vary in. */
    private static final int HIDDEN = 12;

    final DecoderConfig config;
    final List<BlockVectors> vectors = new ArrayList<>();
    final List<BlockMatrices> matrices = new ArrayList<>();
    final OutputHead head;
    private final MemoryWeights weights;
    private final long seed;

    RandomStack(String architecture, int width, int feedForward, int[] heads, int vocabulary, long seed)
            throws IOException {
        this.seed = seed;
        Metadata metadata =
                RandomModel.metadata(architecture, BLOCKS, width, feedForward, heads[0], heads[1], heads[2]);
        weights = RandomModel.weights(metadata, vocabulary, seed);
        config = RandomModel.config(metadata, weights);
        for (int block = 0; block < BLOCKS; block++) {
            vectors.add(BlockVectors.read(config, weights, block));
            matrices.add(BlockMatrices.read(config, weights, block));
        }
        head = OutputHead.read(config, weights);
    }

    /** Sequences whose tokens depend on each other, as natural ones do, with the stack's own output as target. */
    List<MemoryGradients.Sequence> sequences(int count, int tokens) {
        int width = config.width();
        float[] mix = RandomBlock.normals(new Random(seed), HIDDEN * width, 1 / Math.sqrt(HIDDEN));
        List<MemoryGradients.Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Random random = new Random(seed + i);
            float[] hidden = RandomBlock.normals(random, tokens * HIDDEN, 1);
            float[] input = RandomBlock.normals(random, tokens * width, 0.1);
            Gemm.multiply(tokens, width, HIDDEN, hidden, 0, HIDDEN, mix, 0, width, true, input, 0, width);
            float[] between = new float[input.length];
            float[] target = new float[input.length];
            new BlockPass(config, vectors.get(0)).forward(matrices.get(0), input, tokens, between);
            new BlockPass(config, vectors.get(1)).forward(matrices.get(1), between, tokens, target);
            sequences.add(new MemoryGradients.Sequence(input, target));
        }
        return sequences;
    }

    MemoryModel model(List<MemoryGradients.Sequence> sequences) {
        Set<Layer> all = Set.of(Layer.values());
        return new MemoryModel(
                config, vectors, head, head, MemoryGradients.listed(config, sequences), List.of(all, all));
    }

    /** All of its weights. */
    WeightSource weights() {
        return weights;
    }

    /** Zeros for all layers. */
    List<BlockMatrices> zeros() {
        List<Layer> all = List.of(Layer.values());
        return List.of(BlockMatrices.zeros(config, all), BlockMatrices.zeros(config, all));
    }

    /** All layers, rounded plainly. */
    List<Map<Layer, BlockTrainer.Coded>> rounded(BlockType type) {
        List<Map<Layer, BlockTrainer.Coded>> rounded = new ArrayList<>();
        for (int block = 0; block < BLOCKS; block++) {
            Map<Layer, BlockTrainer.Coded> layers = new EnumMap<>(Layer.class);
            for (Layer layer : Layer.values()) {
                int rows = layer.rows(config);
                float[] matrix = new float[layer.size(config)];
                weights.rows(layer.in(block) + ".weight", 0, rows, matrix, 0);
                byte[] blocks = new byte[Math.toIntExact(type.bytes(matrix.length))];
                BlockFormats.of(type).encode(matrix, 0, rows, layer.columns(config), null, 0, blocks, 0);
                layers.put(layer, new BlockTrainer.Coded(type, blocks));
            }
            rounded.add(layers);
        }
        return rounded;
    }

    /** What blocks of layers decode to. */
    List<BlockMatrices> decoded(List<Map<Layer, BlockTrainer.Coded>> coded) {
        List<BlockMatrices> decoded = new ArrayList<>();
        for (int block = 0; block < BLOCKS; block++) {
            BlockMatrices matrices = this.matrices.get(block).copy();
            coded.get(block).forEach((layer, each) -> {
                int rows = layer.rows(config);
                int columns = layer.columns(config);
                float[] values = new float[rows * columns];
                BlockFormats.of(each.type()).decode(each.blocks(), 0, values.length, values, 0);
                float[] turned = new float[values.length];
                for (int i = 0; i < values.length; i++) {
                    turned[i % columns * rows + i / columns] = values[i];
                }
                matrices.put(layer, turned);
            });
            decoded.add(matrices);
        }
        return decoded;
    }
}
