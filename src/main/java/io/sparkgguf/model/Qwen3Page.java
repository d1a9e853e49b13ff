package io.sparkgguf.model;

import static io.sparkgguf.model.Architecture.join;
import static io.sparkgguf.model.TensorRule.tensor;

import java.util.List;
import java.util.Set;

/** Qwen3, dense: norms on each query and key head, heads of their own width; rotated in halves. */
final class Qwen3Page {
    private static final long DEFAULT_HEAD_DIM = 128;

    private Qwen3Page() {}

    static final Architecture PAGE = new Architecture(
            "qwen3",
            List.of("Qwen3ForCausalLM"),
            join(DenseDecoder.SIZES, List.of(Sizes.Rule.orElse("head_dim", sizes -> DEFAULT_HEAD_DIM))),
            Set.of("default", "linear", "dynamic", "yarn"),
            DenseDecoder.CHECKS,
            join(DenseDecoder.KEYS, DenseDecoder.HEAD_KEYS),
            join(
                    DenseDecoder.TENSORS,
                    List.of(
                            DenseDecoder.QUERY,
                            DenseDecoder.KEY,
                            tensor(
                                    "model.layers.{layer}.self_attn.q_norm.weight",
                                    "blk.{layer}.attn_q_norm.weight",
                                    "head_dim"),
                            tensor(
                                    "model.layers.{layer}.self_attn.k_norm.weight",
                                    "blk.{layer}.attn_k_norm.weight",
                                    "head_dim"),
                            DenseDecoder.QUERY_BIAS.requiredWhen("attention_bias"),
                            DenseDecoder.KEY_BIAS.requiredWhen("attention_bias"),
                            DenseDecoder.VALUE_BIAS.requiredWhen("attention_bias"))));
}
