package io.sparkgguf.qat;

import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.kernel.PointwiseGradient;
import io.sparkgguf.kernel.RmsNorm;
import io.sparkgguf.kernel.RmsNormGradient;
import io.sparkgguf.model.forward.Attention;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.RotaryTable;
import java.util.Arrays;

/**
 * One block's forward pass over one sequence, keeping what the backward pass needs, and that backward pass.
 *
 * <p>Forward gives the bits of {@link io.sparkgguf.model.forward.Decoder#block}. Kept are, for each token, queries, keys and
 * values, what the heads brought, the residual stream between both halves, gate and up; normed and gated activations and the
 * weights of attention are made again. Sums go over tokens, or over rows, in order: the bits depend on the sequence and the
 * weights alone. For one thread; keeps its arrays from call to call.
 */
public final class BlockPass {
    private final DecoderConfig config;
    private final BlockVectors vectors;
    private final RotaryTable rotary;
    private final Attention attention;
    private final AttentionGradient attentionGradient;

    private int tokens;
    private float[] input = {};
    private float[] rawQueries = {};
    private float[] rawKeys = {};
    private float[] queries = {};
    private float[] keys = {};
    private float[] values = {};
    private float[] heads = {};
    private float[] largest = {};
    private float[] sums = {};
    private float[] middle = {};
    private float[] gate = {};
    private float[] up = {};
    private float[] normed = {};
    private float[] inner = {};
    private float[] dNormed = {};
    private float[] dKeys = {};
    private float[] dValues = {};
    private float[] dRaw = {};

    /** A pass through blocks of this kind. */
    public BlockPass(DecoderConfig config, BlockVectors vectors) {
        this.config = config;
        this.vectors = vectors;
        rotary = new RotaryTable(config.rotary(), vectors.rotaryDivisors());
        attention = new Attention(config);
        attentionGradient = new AttentionGradient(config);
    }

    /** Bytes that it holds for sequences of so many tokens. */
    public static long memory(DecoderConfig config, int tokens) {
        long perToken = 4L * config.width()
                + (config.headNorms() ? 4L : 2L) * config.queryColumns()
                + (config.headNorms() ? 6L : 4L) * config.keyValueColumns()
                + 2L * config.heads()
                + 3L * config.feedForward();
        return Float.BYTES * perToken * tokens
                + RotaryTable.memory(config, tokens) * 3 / 2
                + Attention.memory(config, tokens)
                + AttentionGradient.memory(config);
    }

    /**
     * Runs the block over a sequence.
     *
     * @param hidden the residual stream, {@code count * width} values from index 0; kept until {@link #backward}, not changed
     * @param out receives the residual stream after the block, as many values; another array
     */
    public void forward(BlockMatrices weights, float[] hidden, int count, float[] out) {
        tokens = count;
        input = hidden;
        int width = config.width();
        middle = room(middle, width);
        normed = room(normed, width);
        norm(hidden, vectors.attentionNorm());
        attend(weights);
        linear(weights, Layer.ATTENTION_OUTPUT, heads, middle);
        Pointwise.add(middle, 0, hidden, 0, tokens * width);

        gate = room(gate, config.feedForward());
        up = room(up, config.feedForward());
        inner = room(inner, config.feedForward());
        norm(middle, vectors.feedForwardNorm());
        linear(weights, Layer.FEED_FORWARD_GATE, normed, gate);
        linear(weights, Layer.FEED_FORWARD_UP, normed, up);
        gated();
        linear(weights, Layer.FEED_FORWARD_DOWN, inner, out);
        Pointwise.add(out, 0, middle, 0, tokens * width);
    }

    /**
     * Takes the gradient of the last forward pass's result back to weights and input.
     *
     * @param weights as the forward pass had them
     * @param d gradient of the result; becomes the gradient of the input when that is asked for, else unspecified
     * @param gradients has the gradients of its layers' weights added to it
     * @param toInput whether the gradient of the input is wanted
     */
    public void backward(BlockMatrices weights, float[] d, BlockMatrices gradients, boolean toInput) {
        int width = config.width();
        dNormed = room(dNormed, width);
        gated();
        collect(Layer.FEED_FORWARD_DOWN, inner, d, gradients);
        back(weights, Layer.FEED_FORWARD_DOWN, d, false, inner);
        PointwiseGradient.gate(gate, 0, up, 0, inner, 0, tokens * config.feedForward());
        norm(middle, vectors.feedForwardNorm());
        collect(Layer.FEED_FORWARD_GATE, normed, gate, gradients);
        collect(Layer.FEED_FORWARD_UP, normed, up, gradients);
        back(weights, Layer.FEED_FORWARD_GATE, gate, false, dNormed);
        back(weights, Layer.FEED_FORWARD_UP, up, true, dNormed);
        normBack(middle, vectors.feedForwardNorm(), d);

        collect(Layer.ATTENTION_OUTPUT, heads, d, gradients);
        float[] dHeads = attendBack(weights, d);
        norm(input, vectors.attentionNorm());
        collect(Layer.ATTENTION_QUERY, normed, dHeads, gradients);
        collect(Layer.ATTENTION_KEY, normed, dKeys, gradients);
        collect(Layer.ATTENTION_VALUE, normed, dValues, gradients);
        if (toInput) {
            back(weights, Layer.ATTENTION_QUERY, dHeads, false, dNormed);
            back(weights, Layer.ATTENTION_KEY, dKeys, true, dNormed);
            back(weights, Layer.ATTENTION_VALUE, dValues, true, dNormed);
            normBack(input, vectors.attentionNorm(), d);
        }
    }

    private void attend(BlockMatrices weights) {
        queries = room(queries, config.queryColumns());
        keys = room(keys, config.keyValueColumns());
        values = room(values, config.keyValueColumns());
        heads = room(heads, config.queryColumns());
        largest = room(largest, config.heads());
        sums = room(sums, config.heads());
        linear(weights, Layer.ATTENTION_QUERY, normed, queries);
        linear(weights, Layer.ATTENTION_KEY, normed, keys);
        linear(weights, Layer.ATTENTION_VALUE, normed, values);
        if (config.headNorms()) {
            rawQueries = normHeads(queries, rawQueries, config.heads(), vectors.queryNorm());
            rawKeys = normHeads(keys, rawKeys, config.keyValueHeads(), vectors.keyNorm());
        }
        rotary.turn(queries, 0, tokens, config.heads());
        rotary.turn(keys, 0, tokens, config.keyValueHeads());
        System.arraycopy(queries, 0, heads, 0, tokens * config.queryColumns());
        attention.run(heads, keys, values, 0, tokens, largest, sums);
    }

    /** The gradients of query, key and value layers' results: the first is returned, the others stay in their arrays. */
    private float[] attendBack(BlockMatrices weights, float[] d) {
        dKeys = room(dKeys, config.keyValueColumns());
        dValues = room(dValues, config.keyValueColumns());
        // what the heads brought is read for the last time while its gradient is written elsewhere
        float[] dHeads = room(inner, config.queryColumns());
        inner = dHeads;
        back(weights, Layer.ATTENTION_OUTPUT, d, false, dHeads);
        attentionGradient.run(queries, keys, values, largest, sums, heads, tokens, dHeads, dKeys, dValues);
        rotary.turnBack(dHeads, 0, tokens, config.heads());
        rotary.turnBack(dKeys, 0, tokens, config.keyValueHeads());
        if (config.headNorms()) {
            normHeadsBack(rawQueries, config.heads(), vectors.queryNorm(), dHeads);
            normHeadsBack(rawKeys, config.keyValueHeads(), vectors.keyNorm(), dKeys);
        }
        return dHeads;
    }

    private void gated() {
        int count = tokens * config.feedForward();
        System.arraycopy(gate, 0, inner, 0, count);
        Pointwise.gate(inner, 0, up, 0, count);
    }

    private void norm(float[] x, float[] weight) {
        RmsNorm.of(x, 0, tokens, config.width(), weight, config.epsilon(), normed, 0);
    }

    private void normBack(float[] x, float[] weight, float[] d) {
        RmsNormGradient.add(x, 0, tokens, config.width(), weight, config.epsilon(), dNormed, 0, d, 0);
    }

    /** Norms heads in place and returns a copy of what they were. */
    private float[] normHeads(float[] x, float[] raw, int count, float[] weight) {
        float[] kept = room(raw, count * config.headSize());
        System.arraycopy(x, 0, kept, 0, tokens * count * config.headSize());
        RmsNorm.of(x, 0, tokens * count, config.headSize(), weight, config.epsilon(), x, 0);
        return kept;
    }

    private void normHeadsBack(float[] raw, int count, float[] weight, float[] d) {
        int elements = tokens * count * config.headSize();
        dRaw = room(dRaw, count * config.headSize());
        System.arraycopy(d, 0, dRaw, 0, elements);
        Arrays.fill(d, 0, elements, 0);
        RmsNormGradient.add(raw, 0, tokens * count, config.headSize(), weight, config.epsilon(), dRaw, 0, d, 0);
    }

    /** out = x Wᵀ + bias. */
    private void linear(BlockMatrices weights, Layer layer, float[] x, float[] out) {
        int rows = layer.rows(config);
        int columns = layer.columns(config);
        float[] matrix = weights.of(layer);
        Gemm.multiply(tokens, rows, columns, x, 0, columns, matrix, 0, rows, false, out, 0, rows);
        float[] bias = vectors.biases().get(layer);
        if (bias != null) {
            for (int token = 0; token < tokens; token++) {
                Pointwise.add(out, token * rows, bias, 0, rows);
            }
        }
    }

    /** dx = d W, or added to it. */
    private void back(BlockMatrices weights, Layer layer, float[] d, boolean add, float[] dx) {
        int rows = layer.rows(config);
        int columns = layer.columns(config);
        float[] matrix = weights.of(layer);
        Gemm.multiplyTransposed(tokens, columns, rows, d, 0, rows, matrix, 0, rows, add, dx, 0, columns);
    }

    /** dW += dᵀ x, by columns. */
    private void collect(Layer layer, float[] x, float[] d, BlockMatrices gradients) {
        if (gradients.has(layer)) {
            int rows = layer.rows(config);
            int columns = layer.columns(config);
            Gemm.multiplyTransposedLeft(
                    columns, rows, tokens, x, 0, columns, d, 0, rows, true, gradients.of(layer), 0, rows);
        }
    }

    private float[] room(float[] array, int columns) {
        int floats = Math.multiplyExact(tokens, columns);
        return array.length >= floats ? array : new float[floats];
    }
}
