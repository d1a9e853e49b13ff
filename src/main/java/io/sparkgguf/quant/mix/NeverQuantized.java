package io.sparkgguf.quant.mix;

import java.util.List;
import java.util.Optional;

/** The tensors that no type is chosen for: too small, or too sensitive, to be worth it. */
final class NeverQuantized {
    /** A tensor whose name contains the first is kept, for the second as the reason. */
    private record Part(String name, String reason) {}

    private static final List<Part> PARTS = List.of(
            new Part("_norm.weight", "a norm"),
            new Part("ffn_gate_inp.weight", "the router of experts"),
            new Part("ffn_gate_tid2eid.weight", "the router of experts"),
            new Part("altup", "small"),
            new Part("laurel", "small"),
            new Part("per_layer_model_proj", "small"),
            new Part("ssm_conv1d", "a short convolution"),
            new Part("shortconv.conv.weight", "a short convolution"),
            new Part("indexer.k_proj.weight", "a small indexer"),
            new Part("indexer.q_proj.weight", "a small indexer"),
            new Part("time_mix_first.weight", "small"),
            new Part("time_mix_w0.weight", "small"),
            new Part("time_mix_w1.weight", "small"),
            new Part("time_mix_w2.weight", "small"),
            new Part("time_mix_v0.weight", "small"),
            new Part("time_mix_v1.weight", "small"),
            new Part("time_mix_v2.weight", "small"),
            new Part("time_mix_a0.weight", "small"),
            new Part("time_mix_a1.weight", "small"),
            new Part("time_mix_a2.weight", "small"),
            new Part("time_mix_g1.weight", "small"),
            new Part("time_mix_g2.weight", "small"),
            new Part("time_mix_decay_w1.weight", "small"),
            new Part("time_mix_decay_w2.weight", "small"),
            new Part("time_mix_lerp_fused.weight", "small"),
            new Part("attn_rel_b.weight", "a bias of positions"),
            new Part(".position_embd", "an embedding of positions"),
            new Part("sam.pos_embd", "an embedding of positions"),
            new Part("sam.neck.", "part of a vision encoder"),
            new Part("sam.net_", "part of a vision encoder"),
            new Part(".rel_pos", "an embedding of positions"),
            new Part(".patch_embd", "part of a vision encoder"),
            new Part(".patch_merger", "part of a vision encoder"),
            new Part("a.rvq.codebook", "an audio codebook"),
            new Part("mm.a.code_embd", "an audio codebook"));

    private NeverQuantized() {}

    /** Why the tensor is kept, or empty when a type is to be chosen for it. */
    static Optional<String> reason(InputTensor tensor) {
        String name = tensor.name();
        if (tensor.ggmlRank() < 2) {
            return Optional.of("a vector");
        }
        if (!name.endsWith("weight")) {
            return Optional.of("not a weight matrix");
        }
        if (name.equals("position_embd.weight")) {
            return Optional.of("an embedding of positions");
        }
        if (name.equals("token_types.weight")) {
            return Optional.of("an embedding of token types");
        }
        return PARTS.stream()
                .filter(part -> name.contains(part.name))
                .map(Part::reason)
                .findFirst();
    }
}
