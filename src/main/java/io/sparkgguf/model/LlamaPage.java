package io.sparkgguf.model;

import static io.sparkgguf.model.Architecture.join;
import static io.sparkgguf.model.KeyRule.size;
import static io.sparkgguf.model.TensorRule.tensor;

import java.util.List;
import java.util.Set;

/**
 * Llama 1 to 3, all that came as LlamaForCausalLM since, and Mistral, whose sliding window llama.cpp does not know here.
 *
 * <p>llama.cpp rotates neighbouring elements of a head, Hugging Face's layout its two halves: hence the interleaving.
 */
final class LlamaPage {
    private LlamaPage() {}

    static final Architecture PAGE = new Architecture(
            "llama",
            List.of("LlamaForCausalLM", "MistralForCausalLM"),
            join(DenseDecoder.SIZES, List.of(DenseDecoder.HEAD_DIM)),
            Set.of("default", "linear", "dynamic", "yarn", "llama3"),
            DenseDecoder.CHECKS,
            join(
                    DenseDecoder.KEYS,
                    DenseDecoder.HEAD_KEYS,
                    List.of(size("vocab_size", "vocab_size"), size("rope.dimension_count", "head_dim"))),
            join(
                    DenseDecoder.TENSORS,
                    List.of(
                            DenseDecoder.QUERY.interleavingHalves("head_dim"),
                            DenseDecoder.KEY.interleavingHalves("head_dim"),
                            DenseDecoder.QUERY_BIAS
                                    .interleavingHalves("head_dim")
                                    .requiredWhen("attention_bias"),
                            DenseDecoder.KEY_BIAS.interleavingHalves("head_dim").requiredWhen("attention_bias"),
                            DenseDecoder.VALUE_BIAS.requiredWhen("attention_bias"),
                            tensor(
                                            "model.layers.{layer}.self_attn.o_proj.bias",
                                            "blk.{layer}.attn_output.bias",
                                            "hidden_size")
                                    .requiredWhen("attention_bias"),
                            tensor(
                                            "model.layers.{layer}.mlp.gate_proj.bias",
                                            "blk.{layer}.ffn_gate.bias",
                                            "intermediate_size")
                                    .requiredWhen("mlp_bias"),
                            tensor(
                                            "model.layers.{layer}.mlp.up_proj.bias",
                                            "blk.{layer}.ffn_up.bias",
                                            "intermediate_size")
                                    .requiredWhen("mlp_bias"),
                            tensor(
                                            "model.layers.{layer}.mlp.down_proj.bias",
                                            "blk.{layer}.ffn_down.bias",
                                            "hidden_size")
                                    .requiredWhen("mlp_bias"))));
}
