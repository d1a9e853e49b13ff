package io.sparkgguf.model;

import static io.sparkgguf.model.KeyRule.real;
import static io.sparkgguf.model.KeyRule.rope;
import static io.sparkgguf.model.KeyRule.size;
import static io.sparkgguf.model.TensorRule.tensor;

import io.sparkgguf.model.Sizes.Rule;
import java.util.List;
import java.util.function.Consumer;

/** What the pages of dense decoders with RMS norm, rotary position, grouped queries and SwiGLU have in common. */
final class DenseDecoder {
    private DenseDecoder() {}

    static final List<Rule> SIZES = List.of(
            Rule.required("vocab_size"),
            Rule.required("hidden_size"),
            Rule.required("intermediate_size"),
            Rule.required("num_hidden_layers"),
            Rule.required("num_attention_heads"),
            Rule.orSame("num_key_value_heads", "num_attention_heads"),
            Rule.required("max_position_embeddings"));

    /** The heads share the width of the residual stream unless the configuration says otherwise. */
    static final Rule HEAD_DIM = Rule.orElse("head_dim", sizes -> sizes.quotient("hidden_size", "num_attention_heads"));

    static final List<Consumer<KeyRule.Facts>> CHECKS =
            List.of(DenseDecoder::checkHeads, DenseDecoder::checkActivation);

    static void checkHeads(KeyRule.Facts facts) {
        facts.sizes().quotient("num_attention_heads", "num_key_value_heads");
        if (facts.sizes().get("head_dim") % 2 != 0) {
            throw facts.config()
                    .unusable("head_dim is " + facts.sizes().get("head_dim") + ", but rotary position needs it even");
        }
    }

    /** For architectures that llama.cpp gives square query and output projections. */
    static void checkWidth(KeyRule.Facts facts) {
        if (facts.sizes().product("num_attention_heads * head_dim")
                != facts.sizes().get("hidden_size")) {
            throw facts.config()
                    .unusable("the heads make "
                            + facts.sizes().describe(List.of("num_attention_heads * head_dim", "hidden_size"))
                            + ", but " + facts.who() + " needs both equal");
        }
    }

    /** llama.cpp's graphs have the activation built in. */
    private static void checkActivation(KeyRule.Facts facts) {
        String activation = facts.config().text("hidden_act").orElse("silu");
        if (!activation.equals("silu") && !activation.equals("swish")) {
            throw facts.config().unusable("hidden_act is " + activation + ", but " + facts.who() + " runs with silu");
        }
    }

    static final List<KeyRule> KEYS = List.of(
            size("block_count", "num_hidden_layers"),
            size("context_length", "max_position_embeddings"),
            size("embedding_length", "hidden_size"),
            size("feed_forward_length", "intermediate_size"),
            size("attention.head_count", "num_attention_heads"),
            size("attention.head_count_kv", "num_key_value_heads"),
            rope(),
            real("attention.layer_norm_rms_epsilon", "rms_norm_eps"));

    static final List<KeyRule> HEAD_KEYS =
            List.of(size("attention.key_length", "head_dim"), size("attention.value_length", "head_dim"));

    /**
     * All but the query and key projections. A head stored beside the flag of tied embeddings is kept: llama.cpp then
     * uses it, and so does transformers where the two differ.
     */
    static final List<TensorRule> TENSORS = List.of(
            tensor("model.embed_tokens.weight", "token_embd.weight", "vocab_size", "hidden_size"),
            tensor("model.norm.weight", "output_norm.weight", "hidden_size"),
            tensor("lm_head.weight", "output.weight", "vocab_size", "hidden_size")
                    .requiredUnless("tie_word_embeddings"),
            tensor("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight", "hidden_size"),
            tensor(
                    "model.layers.{layer}.self_attn.v_proj.weight",
                    "blk.{layer}.attn_v.weight",
                    "num_key_value_heads * head_dim",
                    "hidden_size"),
            tensor(
                    "model.layers.{layer}.self_attn.o_proj.weight",
                    "blk.{layer}.attn_output.weight",
                    "hidden_size",
                    "num_attention_heads * head_dim"),
            tensor(
                    "model.layers.{layer}.post_attention_layernorm.weight",
                    "blk.{layer}.ffn_norm.weight",
                    "hidden_size"),
            tensor(
                    "model.layers.{layer}.mlp.gate_proj.weight",
                    "blk.{layer}.ffn_gate.weight",
                    "intermediate_size",
                    "hidden_size"),
            tensor(
                    "model.layers.{layer}.mlp.up_proj.weight",
                    "blk.{layer}.ffn_up.weight",
                    "intermediate_size",
                    "hidden_size"),
            tensor(
                    "model.layers.{layer}.mlp.down_proj.weight",
                    "blk.{layer}.ffn_down.weight",
                    "hidden_size",
                    "intermediate_size"));

    static final TensorRule QUERY = tensor(
            "model.layers.{layer}.self_attn.q_proj.weight",
            "blk.{layer}.attn_q.weight",
            "num_attention_heads * head_dim",
            "hidden_size");
    static final TensorRule KEY = tensor(
            "model.layers.{layer}.self_attn.k_proj.weight",
            "blk.{layer}.attn_k.weight",
            "num_key_value_heads * head_dim",
            "hidden_size");
    static final TensorRule QUERY_BIAS = tensor(
            "model.layers.{layer}.self_attn.q_proj.bias", "blk.{layer}.attn_q.bias", "num_attention_heads * head_dim");
    static final TensorRule KEY_BIAS = tensor(
            "model.layers.{layer}.self_attn.k_proj.bias", "blk.{layer}.attn_k.bias", "num_key_value_heads * head_dim");
    static final TensorRule VALUE_BIAS = tensor(
            "model.layers.{layer}.self_attn.v_proj.bias", "blk.{layer}.attn_v.bias", "num_key_value_heads * head_dim");
}
