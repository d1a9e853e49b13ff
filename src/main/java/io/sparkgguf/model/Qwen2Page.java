package io.sparkgguf.model;

import static io.sparkgguf.model.Architecture.join;
import static io.sparkgguf.model.KeyRule.sizeIfGiven;

import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/** Qwen2 and Qwen2.5, dense: biases on query, key and value; rotated in halves, so rows stay in their order. */
final class Qwen2Page {
    private Qwen2Page() {}

    static final Architecture PAGE = new Architecture(
            "qwen2",
            List.of("Qwen2ForCausalLM"),
            join(DenseDecoder.SIZES, List.of(DenseDecoder.HEAD_DIM)),
            Set.of("default", "linear", "dynamic", "yarn"),
            join(DenseDecoder.CHECKS, List.<Consumer<KeyRule.Facts>>of(DenseDecoder::checkWidth)),
            join(
                    DenseDecoder.KEYS,
                    List.of(
                            sizeIfGiven("attention.key_length", "head_dim"),
                            sizeIfGiven("attention.value_length", "head_dim"))),
            join(
                    DenseDecoder.TENSORS,
                    List.of(
                            DenseDecoder.QUERY,
                            DenseDecoder.KEY,
                            DenseDecoder.QUERY_BIAS,
                            DenseDecoder.KEY_BIAS,
                            DenseDecoder.VALUE_BIAS)));
}
