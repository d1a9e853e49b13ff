package io.sparkgguf.model.forward;

import java.util.List;
import java.util.Optional;

/** The activations of a block that linear layers read, in the order in which a pass meets them. A Hessian belongs to one. */
public enum LinearInput {
    /** The normed residual stream before attention: {@code width} columns. */
    ATTENTION("attn_q", "attn_k", "attn_v"),
    /** What the heads bring, side by side: {@code heads * headSize} columns. */
    ATTENTION_OUTPUT("attn_output"),
    /** The normed residual stream before the feed-forward part: {@code width} columns. */
    FEED_FORWARD("ffn_gate", "ffn_up"),
    /** The gated activations: {@code feedForward} columns. */
    FEED_FORWARD_DOWN("ffn_down");

    private final List<String> layers;

    LinearInput(String... layers) {
        this.layers = List.of(layers);
    }

    /** Names of the weights that read this input, for example {@code blk.0.attn_q.weight}. */
    public List<String> tensors(int block) {
        return layers.stream()
                .map(layer -> "blk." + block + "." + layer + ".weight")
                .toList();
    }

    /** Which input a block's weight reads; empty for a name that is none of a linear layer's. */
    public static Optional<LinearInput> of(String tensor) {
        String[] parts = tensor.split("\\.");
        if (parts.length == 4 && parts[0].equals("blk") && parts[3].equals("weight")) {
            for (LinearInput input : values()) {
                if (input.layers.contains(parts[2])) {
                    return Optional.of(input);
                }
            }
        }
        return Optional.empty();
    }
}
