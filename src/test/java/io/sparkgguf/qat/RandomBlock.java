package io.sparkgguf.qat;

import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.RandomModel;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.util.Random;

/** A seeded block of any sizes with a sequence to run over it. */
final class RandomBlock {
    final DecoderConfig config;
    final MemoryWeights weights;
    final BlockVectors vectors;
    final BlockMatrices matrices;
    final float[] hidden;
    final int tokens;

    /** @param heads query heads, key heads and elements of a head */
    RandomBlock(String architecture, int width, int feedForward, int[] heads, int tokens, long seed)
            throws IOException {
        Metadata metadata = RandomModel.metadata(architecture, 1, width, feedForward, heads[0], heads[1], heads[2]);
        weights = RandomModel.weights(metadata, 4, seed);
        config = RandomModel.config(metadata, weights);
        vectors = BlockVectors.read(config, weights, 0);
        matrices = BlockMatrices.read(config, weights, 0);
        this.tokens = tokens;
        hidden = normals(new Random(seed + 1), tokens * width, 1);
    }

    static float[] normals(Random random, int count, double scale) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (scale * random.nextGaussian());
        }
        return x;
    }

    ReferenceBlock reference() {
        return new ReferenceBlock(config, vectors, matrices, hidden, tokens);
    }
}
