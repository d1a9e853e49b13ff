package io.sparkgguf.model.forward;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * What a decoder's forward pass must know besides its weights.
 *
 * @param name how messages call the model: {@code general.name}, or the architecture
 * @param blocks number of blocks
 * @param width elements of the residual stream
 * @param feedForward inner width of the feed-forward part
 * @param heads query heads
 * @param keyValueHeads key and value heads, which divide the query heads
 * @param headSize elements of a head, even
 * @param epsilon added to the mean of squares by RMS norm
 * @param context tokens it was made for; positions beyond are computed all the same
 * @param vocabulary tokens it knows as the metadata says, 0 where it does not say
 * @param headNorms whether each query and key head is normed
 * @param subNorms whether the inputs of the output and down projections are normed
 * @param gate how the feed-forward part gates
 * @param roundsInputs whether a block's linear layers round what they read to INT8, as BitNet b1.58's do
 * @param tied whether the token embedding is the output head too
 * @param rotary rotary position
 */
public record DecoderConfig(
        String name,
        int blocks,
        int width,
        int feedForward,
        int heads,
        int keyValueHeads,
        int headSize,
        float epsilon,
        int context,
        int vocabulary,
        boolean headNorms,
        boolean subNorms,
        Gate gate,
        boolean roundsInputs,
        boolean tied,
        Rotary rotary)
        implements Serializable {

    /** What the gates of a feed-forward part are passed through. */
    public enum Gate {
        /** x / (1 + exp(-x)). */
        SILU,
        /** max(x, 0) squared. */
        SQUARED_RELU
    }

    private static final List<String> ARCHITECTURES = List.of("llama", "qwen2", "qwen3", "bitnet");

    /** Tensors of a block that change what it computes and that this pass does not know. */
    private static final List<String> UNKNOWN_PARTS = List.of(
            "attn_qkv.weight",
            "attn_sinks.weight",
            "attn_post_norm.weight",
            "post_attention_norm.weight",
            "post_ffw_norm.weight",
            "ffn_gate_inp.weight",
            "ffn_gate_exps.weight",
            "attn_norm.bias",
            "ffn_norm.bias",
            "attn_norm_2.weight");

    /**
     * Reads what GGUF's metadata says.
     *
     * @param architecture {@code llama}, {@code qwen2}, {@code qwen3} or {@code bitnet}
     * @param hasTensor whether the model has a tensor of this name
     * @throws InvalidInputException when a key is missing, has a value that cannot be, or asks for what this pass does not do
     */
    public static DecoderConfig of(String architecture, Metadata metadata, Predicate<String> hasTensor) {
        String name = metadata.string("general.name")
                .filter(text -> !text.isBlank())
                .map(text -> text.length() > 80 ? text.substring(0, 80) + "..." : text)
                .orElse(architecture);
        ModelKeys keys = new ModelKeys(name, architecture, metadata);
        if (!ARCHITECTURES.contains(architecture)) {
            throw keys.unusable("the forward pass does not know the architecture " + architecture + "; known are "
                    + String.join(", ", ARCHITECTURES));
        }
        refuseUnknown(keys);
        int width = keys.size("embedding_length");
        int heads = keys.size("attention.head_count");
        int keyValueHeads = keys.size("attention.head_count_kv", heads);
        if (heads % keyValueHeads != 0) {
            throw keys.unusable(keyValueHeads + " key and value heads do not divide " + heads + " query heads");
        }
        if (!keys.has("attention.key_length") && width % heads != 0) {
            throw keys.unusable(heads + " heads do not divide the width, " + width);
        }
        int headSize = keys.size("attention.key_length", Math.max(1, width / heads));
        int valueSize = keys.size("attention.value_length", Math.max(1, width / heads));
        int rotated = keys.size("rope.dimension_count", headSize);
        if (valueSize != headSize || rotated != headSize || headSize % 2 != 0) {
            throw keys.unusable("its heads have " + headSize + " elements for keys, " + valueSize + " for values and "
                    + rotated + " that rotate, but the forward pass needs one even number");
        }
        int blocks = keys.size("block_count");
        int context = keys.size("context_length");
        int window = keys.has("attention.sliding_window") ? keys.size("attention.sliding_window") : context;
        if (window < context) {
            throw keys.unusable("its sliding window of " + window + " tokens is below the context of " + context
                    + ", and the forward pass knows no windows");
        }
        refuseUnknownTensors(keys, blocks, architecture, hasTensor);
        DecoderConfig config = new DecoderConfig(
                name,
                blocks,
                width,
                keys.size("feed_forward_length"),
                heads,
                keyValueHeads,
                headSize,
                (float) keys.positive("attention.layer_norm_rms_epsilon"),
                context,
                keys.has("vocab_size") ? keys.size("vocab_size") : 0,
                architecture.equals("qwen3"),
                architecture.equals("bitnet"),
                gate(keys),
                roundsInputs(keys),
                !hasTensor.test("output.weight"),
                Rotary.of(
                        keys,
                        architecture.equals("llama") ? Rotary.Pairing.NEIGHBOURS : Rotary.Pairing.HALVES,
                        headSize,
                        context));
        if ((long) heads * headSize > Integer.MAX_VALUE) {
            throw keys.unusable(heads + " heads of " + headSize + " elements are too many");
        }
        return config;
    }

    private static Gate gate(ModelKeys keys) {
        String activation = keys.text("hidden_activation", "silu"); // without the key llama.cpp has no other
        return switch (activation) {
            case "silu" -> Gate.SILU;
            case "relu2" -> Gate.SQUARED_RELU;
            default ->
                throw keys.unusable(
                        keys.full("hidden_activation") + " is '" + activation + "', known are silu and relu2");
        };
    }

    private static boolean roundsInputs(ModelKeys keys) {
        if (!keys.has("activation_bits")) {
            return false;
        }
        int bits = keys.size("activation_bits");
        if (bits != 8) {
            throw keys.unusable(keys.full("activation_bits") + " is " + bits + ", but linear layers round to 8 bits");
        }
        return true;
    }

    private static void refuseUnknown(ModelKeys keys) {
        keys.refuse("expert_count", 0);
        keys.refuse("attention.causal", 1);
        keys.refuse("attention.scale", 0);
        keys.refuse("attention.clamp_kqv", 0);
        keys.refuse("attention.max_alibi_bias", 0);
        keys.refuse("attn_logit_softcapping", 0);
        keys.refuse("final_logit_softcapping", 0);
        keys.refuse("use_parallel_residual", 0);
        keys.refuse("logit_scale", 1);
        keys.refuse("residual_scale", 1);
        keys.refuse("embedding_scale", 1);
        keys.refuse("rope.scaling.alpha", 0);
    }

    private static void refuseUnknownTensors(
            ModelKeys keys, int blocks, String architecture, Predicate<String> hasTensor) {
        String last = "blk." + (blocks - 1) + ".attn_norm.weight";
        if (!hasTensor.test(last)) {
            throw keys.unusable("its metadata speaks of " + blocks + " blocks, but it has no tensor " + last);
        }
        List<String> unknown = new ArrayList<>(UNKNOWN_PARTS);
        if (!architecture.equals("qwen3")) {
            unknown.addAll(List.of("attn_q_norm.weight", "attn_k_norm.weight"));
        }
        if (!architecture.equals("bitnet")) {
            unknown.addAll(List.of("attn_sub_norm.weight", "ffn_sub_norm.weight"));
        }
        for (int block = 0; block < blocks; block++) {
            for (String part : unknown) {
                String tensor = "blk." + block + "." + part;
                if (hasTensor.test(tensor)) {
                    throw keys.unusable("it has the tensor " + tensor + ", which the forward pass of " + architecture
                            + " does not know");
                }
            }
        }
    }

    /** Elements of all query heads. */
    public int queryColumns() {
        return heads * headSize;
    }

    /** Elements of all key heads, and of all value heads. */
    public int keyValueColumns() {
        return keyValueHeads * headSize;
    }
}
