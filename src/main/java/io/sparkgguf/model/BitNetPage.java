package io.sparkgguf.model;

import static io.sparkgguf.model.Architecture.join;
import static io.sparkgguf.model.TensorRule.tensor;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * BitNet b1.58: norms in front of the output and down projections, squared ReLU or SiLU gates, rotated in halves. The token
 * embedding is the head.
 *
 * <p>llama.cpp gates with SiLU whatever the file says; the gates are told under {@code bitnet.hidden_activation}.
 */
final class BitNetPage {
    /** The class of transformers. */
    private static final String TRANSFORMERS = "BitNetForCausalLM";

    /** The class of 1bitLLM's reproduction, which calls the norms otherwise. */
    private static final String REPRODUCTION = "BitnetForCausalLM";

    private BitNetPage() {}

    static final Architecture PAGE = new Architecture(
            "bitnet",
            List.of(TRANSFORMERS, REPRODUCTION),
            join(DenseDecoder.SIZES, List.of(DenseDecoder.HEAD_DIM)),
            Set.of("default", "linear", "dynamic"),
            List.<Consumer<KeyRule.Facts>>of(
                    DenseDecoder::checkHeads, DenseDecoder::checkWidth, BitNetPage::checkHead, BitNetPage::checkBias),
            join(DenseDecoder.KEYS, List.of((metadata, prefix, facts) -> {
                metadata.putString(prefix + "hidden_activation", activation(facts));
                if (!metadata.contains(prefix + "rope.scaling.type")) { // as llama.cpp's converter says it
                    metadata.putString(prefix + "rope.scaling.type", "linear")
                            .putF32(prefix + "rope.scaling.factor", 1f);
                }
            })),
            join(
                    DenseDecoder.TENSORS.stream()
                            .filter(rule -> !rule.to().equals("output.weight"))
                            .toList(),
                    List.of(
                            DenseDecoder.QUERY,
                            DenseDecoder.KEY,
                            norm("self_attn.attn_sub_norm", "attn_sub_norm", "hidden_size", TRANSFORMERS),
                            norm("mlp.ffn_sub_norm", "ffn_sub_norm", "intermediate_size", TRANSFORMERS),
                            norm("self_attn.inner_attn_ln", "attn_sub_norm", "hidden_size", REPRODUCTION),
                            norm("mlp.ffn_layernorm", "ffn_sub_norm", "intermediate_size", REPRODUCTION))));

    private static TensorRule norm(String from, String to, String size, String architecture) {
        return tensor("model.layers.{layer}." + from + ".weight", "blk.{layer}." + to + ".weight", size)
                .onlyWhen(config -> config.firstText("architectures").equals(Optional.of(architecture)));
    }

    private static String activation(KeyRule.Facts facts) {
        String activation = facts.config().text("hidden_act").orElse("relu2");
        return switch (activation) {
            case "relu2" -> activation;
            case "silu", "swish" -> "silu";
            default ->
                throw facts.config()
                        .unusable("hidden_act is " + activation + ", but bitnet is known with relu2 and silu");
        };
    }

    /** llama.cpp's bitnet has no other head than the embedding. */
    private static void checkHead(KeyRule.Facts facts) {
        if (!facts.config().flag("tie_word_embeddings")) {
            throw facts.config()
                    .unusable("tie_word_embeddings is not true, but bitnet has no head besides the token embedding");
        }
    }

    private static void checkBias(KeyRule.Facts facts) {
        if (facts.config().flag("attention_bias")) {
            throw facts.config().unusable("attention_bias is true, but bitnet has no biases");
        }
    }
}
