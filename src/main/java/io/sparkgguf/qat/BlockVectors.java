package io.sparkgguf.qat;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.DecoderConfig;
import java.io.IOException;
import java.util.EnumMap;
import java.util.Map;

/**
 * What a block has besides its matrices, which training leaves as it is.
 *
 * @param attentionNorm a factor for each element of the residual stream
 * @param feedForwardNorm likewise
 * @param queryNorm a factor for each element of a head, null where heads are not normed
 * @param keyNorm likewise
 * @param biases of the layers that have one
 * @param rotaryDivisors of the rotary frequencies, one for each pair, or null
 */
public record BlockVectors(
        float[] attentionNorm,
        float[] feedForwardNorm,
        float[] queryNorm,
        float[] keyNorm,
        Map<Layer, float[]> biases,
        float[] rotaryDivisors) {

    /** Reads those of a block. */
    public static BlockVectors read(DecoderConfig config, WeightSource weights, int block) throws IOException {
        String at = "blk." + block + ".";
        Map<Layer, float[]> biases = new EnumMap<>(Layer.class);
        for (Layer layer : Layer.values()) {
            float[] bias = vector(weights, layer.in(block) + ".bias");
            if (bias != null) {
                biases.put(layer, bias);
            }
        }
        return new BlockVectors(
                vector(weights, at + "attn_norm.weight"),
                vector(weights, at + "ffn_norm.weight"),
                config.headNorms() ? vector(weights, at + "attn_q_norm.weight") : null,
                config.headNorms() ? vector(weights, at + "attn_k_norm.weight") : null,
                biases,
                vector(weights, "rope_freqs.weight"));
    }

    private static float[] vector(WeightSource weights, String name) throws IOException {
        if (!weights.has(name)) {
            return null;
        }
        float[] vector = new float[Math.toIntExact(weights.shape(name).columns())];
        weights.rows(name, 0, 1, vector, 0);
        return vector;
    }
}
