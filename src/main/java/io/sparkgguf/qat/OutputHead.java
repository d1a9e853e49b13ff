package io.sparkgguf.qat;

import io.sparkgguf.kernel.RmsNorm;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.DecoderConfig;
import java.io.IOException;

/**
 * What turns the residual stream behind the last block into logits; not trained.
 *
 * @param norm a factor for each element of the residual stream
 * @param matrix {@code vocabulary * width} weights, a token's after each other
 */
public record OutputHead(float[] norm, float[] matrix) {

    /** Reads the head of a model, its embedding where that is tied to it. */
    public static OutputHead read(DecoderConfig config, WeightSource weights) throws IOException {
        String name = config.tied() ? "token_embd.weight" : "output.weight";
        int vocabulary = Math.toIntExact(weights.shape(name).rows());
        float[] matrix = new float[Math.multiplyExact(vocabulary, config.width())];
        weights.rows(name, 0, vocabulary, matrix, 0);
        float[] norm = new float[config.width()];
        weights.rows("output_norm.weight", 0, 1, norm, 0);
        return new OutputHead(norm, matrix);
    }

    /** Tokens that it gives logits for. */
    public int vocabulary() {
        return matrix.length / norm.length;
    }

    void normed(DecoderConfig config, float[] hidden, int at, int tokens, float[] out) {
        RmsNorm.of(hidden, at, tokens, config.width(), norm, config.epsilon(), out, 0);
    }
}
