package io.sparkgguf.model.forward;

import io.sparkgguf.kernel.Finite;
import io.sparkgguf.kernel.Int8Rounding;
import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.kernel.RmsNorm;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Objects;

/**
 * A decoder's forward pass, in parts: embedding, each block, output head. Activations are float32, a token's after each
 * other; a batch is one or more whole sequences. For one thread; keeps its arrays from call to call.
 *
 * <p>Every method that computes throws {@link NonFiniteActivationException} when a linear layer would read an infinity or
 * NaN, and what the source of the weights throws.
 */
public final class Decoder {
    /** Embedding rows that are read although no token asks for them, rather than starting another read. */
    private static final int GAP = 8;

    private final DecoderConfig config;
    private final WeightSource weights;
    private final LinearLayers layers;
    private final Attention attention;
    private final RotaryTable rotary;
    private final int vocabulary;
    private float[] normed = new float[0];
    private float[] queries = new float[0];
    private float[] keys = new float[0];
    private float[] values = new float[0];
    private float[] inner = new float[0];

    /**
     * Reads the frequencies' divisors, if there are some, and checks all shapes.
     *
     * @param weights stays the caller's, who closes it
     * @throws InvalidInputException when a tensor is missing or its shape is not what the configuration asks for
     */
    public Decoder(DecoderConfig config, WeightSource weights) throws IOException {
        this.config = config;
        this.weights = weights;
        this.vocabulary = new BlockShapes(config, weights).check();
        this.layers = new LinearLayers(weights);
        this.attention = new Attention(config);
        this.rotary = new RotaryTable(
                config.rotary(), weights.has("rope_freqs.weight") ? layers.vector("rope_freqs.weight") : null);
    }

    public DecoderConfig config() {
        return config;
    }

    /** Elements of the residual stream. */
    public int width() {
        return config.width();
    }

    public int blocks() {
        return config.blocks();
    }

    /** Number of tokens: rows of the embedding. */
    public int vocabulary() {
        return vocabulary;
    }

    /** Bytes that this object comes to hold for batches of so many tokens, whatever their sequences. */
    public long memory(int tokens) {
        return memory(config, vocabulary, tokens);
    }

    /**
     * The same for a decoder that is not there yet.
     *
     * @param vocabulary tokens that logits are made for; 0 where none are made
     */
    public static long memory(DecoderConfig config, int vocabulary, int tokens) {
        long perToken = Float.BYTES
                * ((long) config.width()
                        + config.queryColumns()
                        + 2L * config.keyValueColumns()
                        + config.feedForward());
        long longestSlab = Math.max(
                LinearLayers.memory(Math.max(config.queryColumns(), vocabulary), config.width()),
                LinearLayers.memory(config.width(), Math.max(config.feedForward(), config.queryColumns())));
        return tokens * perToken
                + longestSlab
                + LinearLayers.gatedMemory(config.feedForward(), config.width())
                + Attention.memory(config, tokens)
                + RotaryTable.memory(config, tokens);
    }

    /**
     * Looks up embeddings.
     *
     * @param tokens ids from index {@code at}
     * @param hidden receives {@code count * width()} values from index 0
     * @throws InvalidInputException when an id is not in the vocabulary
     */
    public void embed(int[] tokens, int at, int count, float[] hidden) throws IOException {
        Objects.checkFromIndexSize(at, count, tokens.length);
        long[] order = new long[count]; // by id, so that rows near each other are read together
        for (int i = 0; i < count; i++) {
            int id = tokens[at + i];
            if (id < 0 || id >= vocabulary) {
                throw new InvalidInputException("Cannot run " + config.name() + " on token " + id + ", number "
                        + (at + i) + ": its vocabulary has " + vocabulary);
            }
            order[i] = (long) id << 32 | i;
        }
        Arrays.sort(order);
        int width = width();
        int most = Math.max(1, LinearLayers.SLAB / 8 / width);
        float[] rows = new float[0];
        for (int i = 0; i < count; ) {
            int first = (int) (order[i] >>> 32);
            int last = first;
            int end = i;
            while (end < count && (order[end] >>> 32) - last <= GAP && (order[end] >>> 32) - first < most) {
                last = (int) (order[end++] >>> 32);
            }
            rows = LinearLayers.room(rows, (long) (last - first + 1) * width);
            weights.rows("token_embd.weight", first, last - first + 1, rows, 0);
            for (; i < end; i++) {
                int row = (int) (order[i] >>> 32) - first;
                System.arraycopy(rows, row * width, hidden, (int) order[i] * width, width);
            }
        }
    }

    /**
     * Runs one block over a batch.
     *
     * @param hidden the residual stream, tokens by {@code width()} from index 0; changed in place
     * @param ends for each sequence the number of tokens up to its end, ascending; attention stays within a sequence, and
     *     positions start at 0 in each
     * @param observer sees what the linear layers read
     * @param until stop once this input was observed, {@code hidden} then being unspecified; null for the whole block
     */
    public void block(int block, float[] hidden, int[] ends, BlockObserver observer, LinearInput until)
            throws IOException {
        Objects.checkIndex(block, blocks());
        int tokens = tokens(ends, hidden);
        String at = "blk." + block + ".";
        normed = room(normed, tokens, width());
        norm(hidden, 0, tokens, at + "attn_norm.weight");
        if (observed(block, LinearInput.ATTENTION, normed, tokens, width(), observer, until)) {
            return;
        }
        attend(at, tokens, ends);
        subNorm(queries, tokens, config.queryColumns(), at + "attn_sub_norm.weight");
        if (observed(block, LinearInput.ATTENTION_OUTPUT, queries, tokens, config.queryColumns(), observer, until)) {
            return;
        }
        layers.apply(at + "attn_output", queries, 0, tokens, normed, 0);
        Pointwise.add(hidden, 0, normed, 0, tokens * width());

        norm(hidden, 0, tokens, at + "ffn_norm.weight");
        if (observed(block, LinearInput.FEED_FORWARD, normed, tokens, width(), observer, until)) {
            return;
        }
        inner = room(inner, tokens, config.feedForward());
        layers.gated(at + "ffn_gate", at + "ffn_up", config.gate(), normed, tokens, inner);
        subNorm(inner, tokens, config.feedForward(), at + "ffn_sub_norm.weight");
        if (observed(block, LinearInput.FEED_FORWARD_DOWN, inner, tokens, config.feedForward(), observer, until)) {
            return;
        }
        layers.apply(at + "ffn_down", inner, 0, tokens, normed, 0);
        Pointwise.add(hidden, 0, normed, 0, tokens * width());
    }

    /**
     * What the output head reads: the residual stream after the last block, normed.
     *
     * @param hidden {@code tokens * width()} values from index {@code at}; not changed
     * @param into receives as many from index 0
     */
    public void outputInput(float[] hidden, int at, int tokens, float[] into) throws IOException {
        normed = room(normed, tokens, width());
        norm(hidden, at, tokens, "output_norm.weight");
        requireFinite(-1, config.tied() ? "token_embd.weight" : "output.weight", normed, tokens, width());
        System.arraycopy(normed, 0, into, 0, tokens * width());
    }

    /**
     * Norms the residual stream after the last block and runs the output head. Each call reads the head's weights once.
     *
     * @param hidden {@code tokens * width()} values from index {@code at}; not changed
     * @param logits receives {@code tokens * vocabulary()} values from index 0
     */
    public void logits(float[] hidden, int at, int tokens, float[] logits) throws IOException {
        if (logits.length < (long) tokens * vocabulary) {
            throw new IllegalArgumentException("Cannot put the logits of " + tokens + " tokens, " + vocabulary
                    + " each, into " + logits.length + " values");
        }
        normed = room(normed, tokens, width());
        norm(hidden, at, tokens, "output_norm.weight");
        String head = config.tied() ? "token_embd" : "output";
        requireFinite(-1, head + ".weight", normed, tokens, width());
        layers.apply(head, normed, 0, tokens, logits, 0);
    }

    private void attend(String at, int tokens, int[] ends) throws IOException {
        queries = room(queries, tokens, config.queryColumns());
        keys = room(keys, tokens, config.keyValueColumns());
        values = room(values, tokens, config.keyValueColumns());
        layers.apply(at + "attn_q", normed, 0, tokens, queries, 0);
        layers.apply(at + "attn_k", normed, 0, tokens, keys, 0);
        layers.apply(at + "attn_v", normed, 0, tokens, values, 0);
        if (config.headNorms()) {
            normHeads(queries, tokens * config.heads(), at + "attn_q_norm.weight");
            normHeads(keys, tokens * config.keyValueHeads(), at + "attn_k_norm.weight");
        }
        int first = 0;
        for (int end : ends) {
            rotary.turn(queries, first * config.queryColumns(), end - first, config.heads());
            rotary.turn(keys, first * config.keyValueColumns(), end - first, config.keyValueHeads());
            attention.run(queries, keys, values, first, end - first);
            first = end;
        }
    }

    private void norm(float[] hidden, int at, int tokens, String weight) throws IOException {
        RmsNorm.of(hidden, at, tokens, width(), layers.vector(weight), config.epsilon(), normed, 0);
    }

    private void normHeads(float[] x, int heads, String weight) throws IOException {
        RmsNorm.of(x, 0, heads, config.headSize(), layers.vector(weight), config.epsilon(), x, 0);
    }

    /** Norms what the output or down projection reads, where the model does. */
    private void subNorm(float[] x, int tokens, int columns, String weight) throws IOException {
        if (config.subNorms()) {
            RmsNorm.of(x, 0, tokens, columns, layers.vector(weight), config.epsilon(), x, 0);
        }
    }

    /** Rounds an input where layers do, shows it to the observer, and says whether the pass ends there. */
    private boolean observed(
            int block, LinearInput input, float[] x, int tokens, int columns, BlockObserver observer, LinearInput until)
            throws IOException {
        requireFinite(block, input.tensors(block).get(0), x, tokens, columns);
        if (config.roundsInputs()) {
            Int8Rounding.rows(x, 0, tokens, columns);
        }
        observer.input(block, input, x, tokens, columns);
        return input == until;
    }

    private void requireFinite(int block, String tensor, float[] x, int tokens, int columns) {
        int found = Finite.firstNonFinite(x, 0, tokens * columns);
        if (found >= 0) {
            throw new NonFiniteActivationException(
                    config.name(), block, tensor, x[found], found / columns, found % columns);
        }
    }

    private int tokens(int[] ends, float[] hidden) {
        int before = 0;
        for (int end : ends) {
            if (end <= before) {
                throw new IllegalArgumentException(
                        "Cannot run a batch whose sequences end at " + Arrays.toString(ends) + ": must ascend from 1");
            }
            before = end;
        }
        if ((long) before * width() > hidden.length) {
            throw new IllegalArgumentException("Cannot run a batch of " + before + " tokens: their hidden state of "
                    + hidden.length + " values is shorter than " + before + " * " + width());
        }
        return before;
    }

    private float[] room(float[] array, int tokens, int columns) {
        long floats = (long) tokens * columns;
        if (floats > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("Cannot run " + tokens + " tokens of " + config.name()
                    + " at once: with " + columns + " values each they exceed an array");
        }
        return LinearLayers.room(array, floats);
    }
}
