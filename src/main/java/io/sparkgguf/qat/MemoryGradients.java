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

    private final DecoderConfig config;
    private final List<Sequence> sequences;
    private final BlockPass pass;
    private final BlockMatrices own;
    private float[] out = {};

    /** @param layers that gradients will be asked for */
    public MemoryGradients(DecoderConfig config, BlockVectors vectors, List<Sequence> sequences, Set<Layer> layers) {
        this.config = config;
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

    /** Leaves the difference from the target in {@code out}, and returns the sum of its squares. */
    private double forward(BlockMatrices weights, Sequence sequence) {
        int count = sequence.input().length;
        if (out.length < count) {
            out = new float[count];
        }
        pass.forward(weights, sequence.input(), count / config.width(), out);
        double error = 0;
        for (int i = 0; i < count; i++) {
            out[i] -= sequence.target()[i];
            error += (double) out[i] * out[i];
        }
        return error;
    }
}
