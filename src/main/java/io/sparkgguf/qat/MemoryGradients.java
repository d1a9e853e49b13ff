package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import java.util.List;
import java.util.Set;

/** Gradients from sequences in memory, on one thread. */
public final class MemoryGradients implements GradientSource {

    /**
     * A sequence: the residual stream before the block as the student sees it, and after the block as it should be.
     *
     * @param input {@code tokens * width} values
     * @param target as many
     */
    public record Sequence(float[] input, float[] target) {}

    /** What the error of a token's output is measured in. */
    public enum Measure {
        /** Nothing: the sum of squares. */
        SQUARED,
        /** The mean square of its target, so that tokens with massive activations do not outweigh all others. */
        RELATIVE
    }

    private final DecoderConfig config;
    private final Measure measure;
    private final List<Sequence> sequences;
    private final BlockPass pass;
    private final BlockMatrices own;
    private float[] out = {};

    /** @param layers that gradients will be asked for */
    public MemoryGradients(
            DecoderConfig config, BlockVectors vectors, Measure measure, List<Sequence> sequences, Set<Layer> layers) {
        this.config = config;
        this.measure = measure;
        this.sequences = List.copyOf(sequences);
        pass = new BlockPass(config, vectors);
        own = BlockMatrices.zeros(config, layers);
    }

    @Override
    public int sequences() {
        return sequences.size();
    }

    @Override
    public long elements(int[] chosen) {
        long elements = 0;
        for (int sequence : chosen) {
            elements += sequences.get(sequence).input().length;
        }
        return elements;
    }

    @Override
    public double error(BlockMatrices weights, int[] chosen) {
        double sum = 0;
        for (int sequence : chosen) {
            sum += forward(weights, sequences.get(sequence));
        }
        return sum;
    }

    @Override
    public double gradient(BlockMatrices weights, int[] chosen, BlockMatrices gradients) {
        gradients.clear();
        double sum = 0;
        for (int sequence : chosen) {
            sum += forward(weights, sequences.get(sequence));
            own.clear();
            pass.backward(weights, out, own, false);
            gradients.add(own);
        }
        return sum;
    }

    /** Leaves half the gradient of the output in {@code out}, and returns the error. */
    private double forward(BlockMatrices weights, Sequence sequence) {
        float[] target = sequence.target();
        int count = sequence.input().length;
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
