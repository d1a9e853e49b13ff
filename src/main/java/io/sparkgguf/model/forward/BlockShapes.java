package io.sparkgguf.model.forward;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;

/** Checks that a source's tensors have the shapes that the configuration asks for. */
final class BlockShapes {
    private final DecoderConfig config;
    private final WeightSource weights;

    BlockShapes(DecoderConfig config, WeightSource weights) {
        this.config = config;
        this.weights = weights;
    }

    /** Checks all tensors and returns the number of tokens that the embedding has rows for. */
    int check() {
        String width = "the width is " + config.width();
        String where = config.name();
        require(where, "token_embd.weight");
        long vocabulary = weights.shape("token_embd.weight").rows();
        if (vocabulary < 1
                || vocabulary > Integer.MAX_VALUE
                || config.vocabulary() > 0 && vocabulary != config.vocabulary()) {
            throw unusable(
                    where,
                    "token_embd.weight has " + vocabulary + " rows where the vocabulary has "
                            + (config.vocabulary() > 0 ? config.vocabulary() : "from 1 to " + Integer.MAX_VALUE));
        }
        matrix(where, "token_embd.weight", vocabulary, "", config.width(), width);
        vector(where, "output_norm.weight", config.width(), width);
        if (!config.tied()) {
            matrix(where, "output.weight", vocabulary, "the vocabulary has " + vocabulary, config.width(), width);
        }
        if (weights.has("output.bias")) {
            throw unusable(where, "it has the tensor output.bias, which the forward pass does not know");
        }
        if (weights.has("rope_freqs.weight")) {
            vector(where, "rope_freqs.weight", config.headSize() / 2, "a head has " + config.headSize() / 2 + " pairs");
        }
        for (int block = 0; block < config.blocks(); block++) {
            block(block);
        }
        return (int) vocabulary;
    }

    private void block(int block) {
        String where = "block " + block + " of " + config.name();
        String width = "the width is " + config.width();
        String queries = config.heads() + " heads of " + config.headSize() + " need " + config.queryColumns();
        String keys = config.keyValueHeads() + " heads of " + config.headSize() + " need " + config.keyValueColumns();
        String inner = "the feed-forward width is " + config.feedForward();
        String at = "blk." + block + ".";
        vector(where, at + "attn_norm.weight", config.width(), width);
        layer(where, at + "attn_q", config.queryColumns(), queries, config.width(), width);
        layer(where, at + "attn_k", config.keyValueColumns(), keys, config.width(), width);
        layer(where, at + "attn_v", config.keyValueColumns(), keys, config.width(), width);
        layer(where, at + "attn_output", config.width(), width, config.queryColumns(), queries);
        if (config.headNorms()) {
            String head = "a head has " + config.headSize();
            vector(where, at + "attn_q_norm.weight", config.headSize(), head);
            vector(where, at + "attn_k_norm.weight", config.headSize(), head);
        }
        if (config.subNorms()) {
            vector(where, at + "attn_sub_norm.weight", config.queryColumns(), queries);
            vector(where, at + "ffn_sub_norm.weight", config.feedForward(), inner);
        }
        vector(where, at + "ffn_norm.weight", config.width(), width);
        layer(where, at + "ffn_gate", config.feedForward(), inner, config.width(), width);
        layer(where, at + "ffn_up", config.feedForward(), inner, config.width(), width);
        layer(where, at + "ffn_down", config.width(), width, config.feedForward(), inner);
    }

    private void layer(String where, String name, long rows, String whyRows, long columns, String whyColumns) {
        matrix(where, name + ".weight", rows, whyRows, columns, whyColumns);
        if (weights.has(name + ".bias")) {
            vector(where, name + ".bias", rows, whyRows);
        }
    }

    private void matrix(String where, String name, long rows, String whyRows, long columns, String whyColumns) {
        require(where, name);
        Shape shape = weights.shape(name);
        if (shape.rank() > 2) {
            throw unusable(where, name + " has the shape " + shape + " where a matrix is needed");
        }
        if (shape.rows() != rows) {
            throw unusable(where, name + " has " + shape.rows() + " rows where " + whyRows);
        }
        if (shape.columns() != columns) {
            throw unusable(where, name + " has rows of " + shape.columns() + " where " + whyColumns);
        }
    }

    private void vector(String where, String name, long elements, String why) {
        require(where, name);
        Shape shape = weights.shape(name);
        if (shape.elements() != elements || shape.columns() != elements) {
            throw unusable(where, name + " has the shape " + shape + " where " + why);
        }
    }

    private void require(String where, String name) {
        if (!weights.has(name)) {
            throw unusable(where, name + " is missing");
        }
    }

    private static InvalidInputException unusable(String where, String reason) {
        return new InvalidInputException("Cannot run " + where + ": " + reason);
    }
}
