package io.sparkgguf.quant.mix;

/**
 * How much an error in a tensor changes what a model predicts, judged by the tensor's role alone: mean KL divergence, in
 * nats, for a relative squared error of 1 in its outputs. A judgement for want of a measurement: with text, the effect of
 * each tensor is measured instead.
 *
 * <p>Errors of the head meet the logits at once; those of the layers add up in the residual stream, each a share of it that
 * shrinks with their number. The figures are measured on a small natural llama, tensor by tensor rounded to Q3_K, and
 * summed over its layers.
 */
public final class RoleEffect {
    private RoleEffect() {}

    /**
     * @param tensor GGUF name
     * @param layers of the model, at least 1
     * @param tied whether the token embedding is the output head too
     */
    public static double of(String tensor, int layers, boolean tied) {
        TensorRole role = TensorRole.of(tensor);
        double all = ofAllLayers(role);
        return switch (role) {
            case OUTPUT -> all;
            case TOKEN_EMBEDDING -> tied ? all + ofAllLayers(TensorRole.OUTPUT) : all;
            default -> all / Math.max(1, layers);
        };
    }

    private static double ofAllLayers(TensorRole role) {
        return switch (role) {
            case OUTPUT -> 1.5;
            case TOKEN_EMBEDDING -> 0.4;
            case ATTENTION_K, FFN_DOWN -> 0.5;
            case FFN_GATE -> 0.45;
            case ATTENTION_Q, ATTENTION_V, ATTENTION_OUTPUT, FFN_UP, OTHER -> 0.18;
            case ATTENTION_KV_B -> 0.7;
            case ATTENTION_QKV -> 0.9;
        };
    }
}
