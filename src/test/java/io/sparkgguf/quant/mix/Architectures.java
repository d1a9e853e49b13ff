package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.Shape;
import java.util.ArrayList;
import java.util.List;

/** Tensor lists of models, rebuilt from their dimensions; all in half precision unless said otherwise. */
final class Architectures {
    private Architectures() {}

    /** Dimensions of a dense decoder, or with {@code experts > 0} of a mixture of experts. */
    record Dimensions(
            String architecture,
            int embedding,
            int feedForward,
            int vocabulary,
            int layers,
            int heads,
            int keyValueHeads,
            int headSize,
            int experts,
            boolean tied) {

        Dimensions(String architecture, int embedding, int feedForward, int layers, int heads, int keyValueHeads) {
            this(architecture, embedding, feedForward, 1000, layers, heads, keyValueHeads, embedding / heads, 0, false);
        }

        Dimensions withExperts(int count) {
            return new Dimensions(
                    architecture,
                    embedding,
                    feedForward,
                    vocabulary,
                    layers,
                    heads,
                    keyValueHeads,
                    headSize,
                    count,
                    tied);
        }

        Dimensions withTied(boolean value) {
            return new Dimensions(
                    architecture,
                    embedding,
                    feedForward,
                    vocabulary,
                    layers,
                    heads,
                    keyValueHeads,
                    headSize,
                    experts,
                    value);
        }

        ModelFacts facts() {
            return new ModelFacts(architecture, layers, heads, keyValueHeads, experts);
        }
    }

    static List<InputTensor> tensors(Dimensions model) {
        return tensors(model, BlockType.F16);
    }

    /** A decoder with separate q, k, v and gate, up, down; norms in F32. */
    static List<InputTensor> tensors(Dimensions model, Encoding encoding) {
        List<InputTensor> list = new ArrayList<>();
        long width = model.embedding;
        matrix(list, encoding, "token_embd.weight", model.vocabulary, width);
        vector(list, "output_norm.weight", width);
        if (!model.tied) {
            matrix(list, encoding, "output.weight", model.vocabulary, width);
        }
        long queries = (long) model.heads * model.headSize;
        long keys = (long) model.keyValueHeads * model.headSize;
        for (int layer = 0; layer < model.layers; layer++) {
            String block = "blk." + layer + ".";
            vector(list, block + "attn_norm.weight", width);
            matrix(list, encoding, block + "attn_q.weight", queries, width);
            matrix(list, encoding, block + "attn_k.weight", keys, width);
            matrix(list, encoding, block + "attn_v.weight", keys, width);
            vector(list, block + "attn_q_norm.weight", model.headSize);
            vector(list, block + "attn_q.bias", queries);
            matrix(list, encoding, block + "attn_output.weight", width, queries);
            vector(list, block + "ffn_norm.weight", width);
            if (model.experts == 0) {
                matrix(list, encoding, block + "ffn_gate.weight", model.feedForward, width);
                matrix(list, encoding, block + "ffn_up.weight", model.feedForward, width);
                matrix(list, encoding, block + "ffn_down.weight", width, model.feedForward);
            } else {
                long n = model.experts;
                matrix(list, BlockType.F32, block + "ffn_gate_inp.weight", n, width);
                matrix(list, encoding, block + "ffn_gate_exps.weight", n, model.feedForward, width);
                matrix(list, encoding, block + "ffn_up_exps.weight", n, model.feedForward, width);
                matrix(list, encoding, block + "ffn_down_exps.weight", n, width, model.feedForward);
            }
        }
        return list;
    }

    static void matrix(List<InputTensor> list, Encoding encoding, String name, long... shape) {
        list.add(new InputTensor(name, Shape.of(shape), encoding));
    }

    static void vector(List<InputTensor> list, String name, long size) {
        list.add(new InputTensor(name, Shape.of(size), BlockType.F32));
    }

    /** The type of the tensor of a name; fails when there is none. */
    static TypeChoice choiceOf(TypeChoices choices, String name) {
        return choices.choices().stream()
                .filter(choice -> choice.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no tensor " + name));
    }
}
