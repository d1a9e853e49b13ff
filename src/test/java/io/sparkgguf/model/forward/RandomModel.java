package io.sparkgguf.model.forward;

import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import java.util.Random;

/** Decoders of any sizes with seeded weights, scaled so that activations stay near one. */
public final class RandomModel {
    private RandomModel() {}

    /** Metadata of a decoder with a rotary base of 10000. */
    public static Metadata metadata(
            String architecture, int blocks, int width, int feedForward, int heads, int keyValueHeads, int headSize) {
        String at = architecture + ".";
        return new Metadata()
                .putString("general.architecture", architecture)
                .putU32(at + "block_count", blocks)
                .putU32(at + "context_length", 4096)
                .putU32(at + "embedding_length", width)
                .putU32(at + "feed_forward_length", feedForward)
                .putU32(at + "attention.head_count", heads)
                .putU32(at + "attention.head_count_kv", keyValueHeads)
                .putU32(at + "attention.key_length", headSize)
                .putU32(at + "attention.value_length", headSize)
                .putF32(at + "attention.layer_norm_rms_epsilon", 1e-5f)
                .putF32(at + "rope.freq_base", 10000);
    }

    /** Weights for such a decoder, with biases on query, key and value for qwen2, with head norms for qwen3. */
    public static MemoryWeights weights(Metadata metadata, int vocabulary, long seed) {
        Random random = new Random(seed);
        String architecture = metadata.string("general.architecture").orElseThrow();
        int width = size(metadata, architecture, "embedding_length");
        int feedForward = size(metadata, architecture, "feed_forward_length");
        int head = size(metadata, architecture, "attention.key_length");
        int query = head * size(metadata, architecture, "attention.head_count");
        int key = head * size(metadata, architecture, "attention.head_count_kv");
        MemoryWeights weights = new MemoryWeights();
        matrix(weights, random, "token_embd.weight", vocabulary, width);
        matrix(weights, random, "output.weight", vocabulary, width);
        vector(weights, random, "output_norm.weight", width);
        for (int block = 0; block < size(metadata, architecture, "block_count"); block++) {
            String at = "blk." + block + ".";
            vector(weights, random, at + "attn_norm.weight", width);
            matrix(weights, random, at + "attn_q.weight", query, width);
            matrix(weights, random, at + "attn_k.weight", key, width);
            matrix(weights, random, at + "attn_v.weight", key, width);
            matrix(weights, random, at + "attn_output.weight", width, query);
            vector(weights, random, at + "ffn_norm.weight", width);
            matrix(weights, random, at + "ffn_gate.weight", feedForward, width);
            matrix(weights, random, at + "ffn_up.weight", feedForward, width);
            matrix(weights, random, at + "ffn_down.weight", width, feedForward);
            if (architecture.equals("qwen2")) {
                vector(weights, random, at + "attn_q.bias", query);
                vector(weights, random, at + "attn_k.bias", key);
                vector(weights, random, at + "attn_v.bias", key);
            }
            if (architecture.equals("qwen3")) {
                vector(weights, random, at + "attn_q_norm.weight", head);
                vector(weights, random, at + "attn_k_norm.weight", head);
            }
        }
        return weights;
    }

    private static int size(Metadata metadata, String architecture, String key) {
        return Math.toIntExact(metadata.integer(architecture + "." + key).orElseThrow());
    }

    private static void matrix(MemoryWeights weights, Random random, String name, int rows, int columns) {
        float[] values = new float[Math.multiplyExact(rows, columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() / Math.sqrt(columns));
        }
        weights.put(name, Shape.of(rows, columns), values);
    }

    private static void vector(MemoryWeights weights, Random random, String name, int elements) {
        float[] values = new float[elements];
        for (int i = 0; i < elements; i++) {
            values[i] = 0.5f + random.nextFloat();
        }
        weights.put(name, Shape.of(elements), values);
    }

    /** A decoder over these weights. */
    public static DecoderConfig config(Metadata metadata, MemoryWeights weights) {
        return DecoderConfig.of(metadata.string("general.architecture").orElseThrow(), metadata, weights::has);
    }
}
