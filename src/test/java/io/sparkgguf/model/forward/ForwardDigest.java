package io.sparkgguf.model.forward;

import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.kernel.RmsNorm;
import io.sparkgguf.kernel.Rotation;
import io.sparkgguf.kernel.StreamingSoftmax;
import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** The bits of forward passes over seeded weights and of their kernels, for comparing one JVM with another. */
public final class ForwardDigest {
    /** Most of them run compiled. */
    private static final int KERNEL_PASSES = 2000;

    private static final int ELEMENTS = 300;

    private ForwardDigest() {}

    /**
     * Puts them into the digest. The passes are few and small: without instructions for fused multiply-adds, as in vectors of
     * 128 bits on x86, a JVM takes microseconds for each.
     */
    public static void update(MessageDigest digest, long seed) throws IOException {
        for (String architecture : List.of("llama", "qwen2", "qwen3")) {
            Metadata metadata = RandomModel.metadata(architecture, 2, 20, 24, 3, 1, 6);
            metadata.putString(architecture + ".rope.scaling.type", "yarn")
                    .putF32(architecture + ".rope.scaling.factor", 4);
            MemoryWeights weights = RandomModel.weights(metadata, 30, seed);
            Decoder decoder = new Decoder(RandomModel.config(metadata, weights), weights);
            int[] ends = architecture.equals("llama") ? new int[] {3, 135} : new int[] {9, 40};
            int tokens = ends[1];
            float[] hidden = new float[tokens * decoder.width()];
            decoder.embed(new Random(seed).ints(tokens, 0, 30).toArray(), 0, tokens, hidden);
            for (int block = 0; block < decoder.blocks(); block++) {
                decoder.block(block, hidden, ends, BlockObserver.NONE, null);
            }
            float[] logits = new float[5 * decoder.vocabulary()];
            decoder.logits(hidden, 0, 5, logits);
            update(digest, hidden);
            update(digest, logits);
        }
        Random random = new Random(seed);
        for (int pass = 0; pass < KERNEL_PASSES; pass++) {
            kernels(digest, random);
        }
    }

    private static void kernels(MessageDigest digest, Random random) {
        float[] x = new float[ELEMENTS];
        float[] y = new float[ELEMENTS];
        for (int i = 0; i < ELEMENTS; i++) {
            x[i] = (float) (random.nextGaussian() * (1 << random.nextInt(8)));
            y[i] = (float) random.nextGaussian();
        }
        int queries = ELEMENTS / 10;
        float[] largest = new float[queries];
        Arrays.fill(largest, Float.NEGATIVE_INFINITY);
        float[][] softmax = {x.clone(), largest, new float[queries], new float[queries]};
        StreamingSoftmax.add(softmax[0], 10, queries, softmax[1], softmax[2], softmax[3]);
        Pointwise.divide(softmax[0], 0, softmax[2], 0, queries);
        for (float[] result : softmax) {
            update(digest, result);
        }
        RmsNorm.of(x, 0, 3, ELEMENTS / 3, y, 1e-5f, x, 0);
        Rotation.halves(x, 0, 3, ELEMENTS / 3, y, y, 1);
        Rotation.neighbours(x, 0, 3, ELEMENTS / 3, y, y, 2);
        Pointwise.add(x, 0, y, 0, ELEMENTS);
        Pointwise.gate(x, 0, y, 0, ELEMENTS);
        Pointwise.multiply(x, 0, y, 0, ELEMENTS);
        update(digest, x);
    }

    private static void update(MessageDigest digest, float[] x) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * x.length);
        bytes.asFloatBuffer().put(x);
        digest.update(bytes.array());
    }
}
