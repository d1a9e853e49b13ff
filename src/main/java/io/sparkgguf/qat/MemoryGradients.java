package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.Set;

/** Gradients by the arrays of one thread, of sequences that are in memory or are read when their turn comes. */
public final class MemoryGradients implements GradientSource {

    /**
     * A sequence: the residual stream before the block as the student sees it, and after the block as it should be.
     *
     * @param input {@code tokens * width} values
     * @param target as many
     */
    public record Sequence(float[] input, float[] target) {}

    /** Where sequences come from. */
    public interface Sequences {
        /** How many there are. */
        int count();

        /** Tokens of one. */
        int tokens(int sequence);

        /** Gives one; its arrays may be overwritten by the next call. */
        Sequence read(int sequence) throws IOException;
    }

    /** What the error of a token's output is measured in. */
    public enum Measure {
        /** Nothing: the sum of squares. */
        SQUARED,
        /** The mean square of its target, so that tokens with massive activations do not outweigh all others. */
        RELATIVE
    }

    private final DecoderConfig config;
    private final Measure measure;
    private final Sequences sequences;
    private final BlockPass pass;
    private final BlockMatrices own;
    private float[] out = {};

    /** @param layers that gradients will be asked for */
    public MemoryGradients(
            DecoderConfig config, BlockVectors vectors, Measure measure, List<Sequence> sequences, Set<Layer> layers) {
        this(config, vectors, measure, listed(config, sequences), layers);
    }

    /** With sequences from elsewhere. */
    public MemoryGradients(
            DecoderConfig config, BlockVectors vectors, Measure measure, Sequences sequences, Set<Layer> layers) {
        this.config = config;
        this.measure = measure;
        this.sequences = sequences;
        pass = new BlockPass(config, vectors);
        own = BlockMatrices.zeros(config, layers);
    }

    /** Sequences that are in memory. */
    public static Sequences listed(DecoderConfig config, List<Sequence> sequences) {
        return new Listed(config.width(), List.copyOf(sequences));
    }

    private record Listed(int width, List<Sequence> sequences) implements Sequences {
        @Override
        public int count() {
            return sequences.size();
        }

        @Override
        public int tokens(int sequence) {
            return sequences.get(sequence).input().length / width;
        }

        @Override
        public Sequence read(int sequence) {
            return sequences.get(sequence);
        }
    }

    /** Bytes that it holds for sequences of so many tokens and the gradients of these layers, beside weights. */
    public static long memory(DecoderConfig config, int tokens, Collection<Layer> layers) {
        return BlockPass.memory(config, tokens)
                + 3L * Float.BYTES * tokens * config.width()
                + BlockMatrices.memory(config, layers);
    }

    @Override
    public int sequences() {
        return sequences.count();
    }

    @Override
    public long elements(int[] chosen) {
        long elements = 0;
        for (int sequence : chosen) {
            elements += (long) sequences.tokens(sequence) * config.width();
        }
        return elements;
    }

    @Override
    public double error(BlockMatrices weights, int[] chosen) throws IOException {
        double sum = 0;
        for (int sequence : chosen) {
            sum += forward(weights, sequences.read(sequence));
        }
        return sum;
    }

    @Override
    public double gradient(BlockMatrices weights, int[] chosen, BlockMatrices gradients) throws IOException {
        gradients.clear();
        double sum = 0;
        for (int sequence : chosen) {
            sum += forward(weights, sequences.read(sequence));
            own.clear();
            pass.backward(weights, out, own, false);
            gradients.add(own);
        }
        return sum;
    }

    /** Leaves half the gradient of the output in {@code out}, and returns the error. */
    private double forward(BlockMatrices weights, Sequence sequence) {
        float[] target = sequence.target();
        int count = sequence.target().length;
        int width = config.width();
        if (out.length < count) {
            out = new float[count];
        }
        pass.forward(weights, sequence.input(), count / width, out);
        double sum = 0;
        for (int from = 0; from < count; from += width) {
            double error = 0;
            double square = 0;
            for (int i = from; i < from + width; i++) {
                out[i] -= target[i];
                error += (double) out[i] * out[i];
                square += (double) target[i] * target[i];
            }
            if (measure == Measure.RELATIVE) {
                double unit = square > 0 ? width / square : 1;
                error *= unit;
                for (int i = from; i < from + width; i++) {
                    out[i] *= (float) unit;
                }
            }
            sum += error;
        }
        return sum;
    }
}
