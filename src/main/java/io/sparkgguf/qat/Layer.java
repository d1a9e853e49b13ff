package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import java.util.Optional;

/** The linear layers of a block, in the order in which a pass meets them. */
public enum Layer {
    ATTENTION_QUERY("attn_q"),
    ATTENTION_KEY("attn_k"),
    ATTENTION_VALUE("attn_v"),
    ATTENTION_OUTPUT("attn_output"),
    FEED_FORWARD_GATE("ffn_gate"),
    FEED_FORWARD_UP("ffn_up"),
    FEED_FORWARD_DOWN("ffn_down");

    private final String label;

    Layer(String label) {
        this.label = label;
    }

    /** Its name in a block without {@code .weight}, for example {@code blk.0.attn_q}. */
    public String in(int block) {
        return "blk." + block + "." + label;
    }

    /** Which layer of its block a weight belongs to; empty for a name that is none of a linear layer's. */
    public static Optional<Layer> of(String tensor) {
        String[] parts = tensor.split("\\.");
        if (parts.length == 4 && parts[0].equals("blk") && parts[3].equals("weight")) {
            for (Layer layer : values()) {
                if (layer.label.equals(parts[2])) {
                    return Optional.of(layer);
                }
            }
        }
        return Optional.empty();
    }

    /** Outputs. */
    public int rows(DecoderConfig config) {
        return switch (this) {
            case ATTENTION_QUERY -> config.queryColumns();
            case ATTENTION_KEY, ATTENTION_VALUE -> config.keyValueColumns();
            case ATTENTION_OUTPUT, FEED_FORWARD_DOWN -> config.width();
            case FEED_FORWARD_GATE, FEED_FORWARD_UP -> config.feedForward();
        };
    }

    /** Inputs. */
    public int columns(DecoderConfig config) {
        return switch (this) {
            case ATTENTION_OUTPUT -> config.queryColumns();
            case FEED_FORWARD_DOWN -> config.feedForward();
            default -> config.width();
        };
    }

    /** Number of weights; they must fit an array. */
    public int size(DecoderConfig config) {
        return Math.multiplyExact(rows(config), columns(config));
    }
}
