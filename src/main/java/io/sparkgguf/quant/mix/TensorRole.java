package io.sparkgguf.quant.mix;

/** What a tensor does in its model, as far as the mixes care; told by its name. */
enum TensorRole {
    OUTPUT("output"),
    TOKEN_EMBEDDING("token_embd"),
    ATTENTION_QKV("attn_qkv"),
    ATTENTION_KV_B("attn_kv_b"),
    ATTENTION_V("attn_v"),
    ATTENTION_K("attn_k"),
    ATTENTION_Q("attn_q"),
    ATTENTION_OUTPUT("attn_output"),
    FFN_UP("ffn_up"),
    FFN_GATE("ffn_gate"),
    FFN_DOWN("ffn_down"),
    OTHER("");

    static final String OUTPUT_NAME = "output.weight";

    private final String label;

    TensorRole(String label) {
        this.label = label;
    }

    /** The role of the tensor of this GGUF name; experts and shared experts count as feed-forward. */
    static TensorRole of(String name) {
        if (name.equals(OUTPUT_NAME)) {
            return OUTPUT;
        }
        if (name.equals("token_embd.weight") || name.equals("per_layer_token_embd.weight")) {
            return TOKEN_EMBEDDING;
        }
        for (TensorRole role : values()) {
            boolean found = switch (role) {
                case OUTPUT, TOKEN_EMBEDDING, OTHER -> false;
                case FFN_UP, FFN_GATE, FFN_DOWN -> name.contains(role.label);
                default -> name.contains(role.label + ".weight");
            };
            if (found) {
                return role;
            }
        }
        return OTHER;
    }

    /** Whether it holds attention's values, alone or fused with others: more sensitive to rounding. */
    boolean holdsValues() {
        return this == ATTENTION_V || this == ATTENTION_QKV || this == ATTENTION_KV_B;
    }

    /** For people: {@code attn_v of layer 3}, {@code output}, or the whole name where the role has none. */
    String describe(String name) {
        if (this == OTHER || this == TOKEN_EMBEDDING) {
            return name;
        }
        return TensorOrder.layer(name).isPresent()
                ? label + " of layer " + TensorOrder.layer(name).getAsInt()
                : label;
    }
}
