package io.sparkgguf.model.forward;

import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.List;
import java.util.Random;

/** The bits of forward passes over seeded weights, for comparing one JVM with another. */
public final class ForwardDigest {
    /** The later ones run compiled. */
    private static final int PASSES = 3;

    private ForwardDigest() {}

    /** Puts the logits of decoders of all kinds, whose sizes are no multiples of a vector, into the digest. */
    public static void update(MessageDigest digest, long seed) throws IOException {
        for (String architecture : List.of("llama", "qwen2", "qwen3")) {
            Metadata metadata = RandomModel.metadata(architecture, 2, 40, 72, 6, 2, 12);
            metadata.putString(architecture + ".rope.scaling.type", "yarn")
                    .putF32(architecture + ".rope.scaling.factor", 4);
            MemoryWeights weights = RandomModel.weights(metadata, 50, seed);
            Decoder decoder = new Decoder(RandomModel.config(metadata, weights), weights);
            int[] ends = {70, 220};
            for (int pass = 0; pass < PASSES; pass++) {
                int[] ids = new Random(seed + pass).ints(220, 0, 50).toArray();
                float[] hidden = new float[ids.length * decoder.width()];
                decoder.embed(ids, 0, ids.length, hidden);
                for (int block = 0; block < decoder.blocks(); block++) {
                    decoder.block(block, hidden, ends, BlockObserver.NONE, null);
                }
                float[] logits = new float[ids.length * decoder.vocabulary()];
                decoder.logits(hidden, 0, ids.length, logits);
                ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * logits.length);
                bytes.asFloatBuffer().put(logits);
                digest.update(bytes.array());
            }
        }
    }
}
