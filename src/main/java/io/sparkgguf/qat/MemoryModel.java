package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * A whole model on one thread: each sequence goes forward through all blocks and the output head, and its gradient back. Keeps
 * what each block's backward pass needs, so memory grows with blocks times tokens.
 */
public final class MemoryModel implements ModelSource {
    private final DecoderConfig config;
    private final MemoryGradients.Sequences sequences;
    private final List<BlockPass> passes = new ArrayList<>();
    private final List<BlockMatrices> own = new ArrayList<>();
    private final HeadPass head;
    private final float[][] hidden;
    private float[] d = {};

    /**
     * @param vectors of each block
     * @param student the head that the student has
     * @param teacher the head that the teacher has
     * @param sequences the residual stream as it enters the first block, and the teacher's behind the last
     * @param layers of each block that gradients will be asked for
     */
    public MemoryModel(
            DecoderConfig config,
            List<BlockVectors> vectors,
            OutputHead student,
            OutputHead teacher,
            MemoryGradients.Sequences sequences,
            List<? extends Collection<Layer>> layers) {
        this.config = config;
        this.sequences = sequences;
        for (int block = 0; block < vectors.size(); block++) {
            passes.add(new BlockPass(config, vectors.get(block)));
            own.add(BlockMatrices.zeros(config, layers.get(block)));
        }
        head = new HeadPass(config, student, teacher);
        hidden = new float[vectors.size()][0];
    }

    /** Bytes that it holds for sequences of so many tokens, beside weights. */
    public static long memory(
            DecoderConfig config, int vocabulary, int tokens, List<? extends Collection<Layer>> layers) {
        long memory = HeadPass.memory(config, vocabulary);
        for (Collection<Layer> block : layers) {
            memory += BlockPass.memory(config, tokens)
                    + Float.BYTES * (long) tokens * config.width()
                    + BlockMatrices.memory(config, block);
        }
        return memory + 3L * Float.BYTES * tokens * config.width();
    }

    @Override
    public int sequences() {
        return sequences.count();
    }

    @Override
    public long tokens(int[] chosen) {
        long tokens = 0;
        for (int sequence : chosen) {
            tokens += sequences.tokens(sequence);
        }
        return tokens;
    }

    @Override
    public double divergence(List<BlockMatrices> weights, int[] chosen) throws IOException {
        double sum = 0;
        for (int sequence : chosen) {
            sum += forward(weights, sequences.read(sequence), sequences.tokens(sequence), false);
        }
        return sum;
    }

    @Override
    public double gradient(List<BlockMatrices> weights, int[] chosen, List<BlockMatrices> gradients)
            throws IOException {
        gradients.forEach(BlockMatrices::clear);
        int first = 0; // the blocks before it have nothing that is trained
        while (first < gradients.size() - 1 && gradients.get(first).isEmpty()) {
            first++;
        }
        double sum = 0;
        for (int sequence : chosen) {
            sum += forward(weights, sequences.read(sequence), sequences.tokens(sequence), true);
            for (int block = passes.size() - 1; block >= first; block--) {
                own.get(block).clear();
                passes.get(block).backward(weights.get(block), d, own.get(block), block > first);
                gradients.get(block).add(own.get(block));
            }
        }
        return sum;
    }

    /** Leaves the gradient of the last block's output in {@code d} when it is wanted, and returns the divergence. */
    private double forward(
            List<BlockMatrices> weights, MemoryGradients.Sequence sequence, int tokens, boolean gradient) {
        int values = Math.multiplyExact(tokens, config.width());
        float[] in = sequence.input();
        for (int block = 0; block < passes.size(); block++) {
            if (hidden[block].length < values) {
                hidden[block] = new float[values];
            }
            passes.get(block).forward(weights.get(block), in, tokens, hidden[block]);
            in = hidden[block];
        }
        if (d.length < values) {
            d = new float[values];
        }
        return head.run(in, sequence.target(), tokens, gradient ? d : null);
    }
}
