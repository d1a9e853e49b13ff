package io.sparkgguf.qat;

import java.io.IOException;
import java.util.List;

/**
 * Gives how far a whole model's next-token distributions are from those of the unquantized one, and the gradient of that: what
 * {@link GradientSource} is for a block. The sum over sequences is taken one after the other in the given order, so that every
 * source gives the same bits.
 */
public interface ModelSource {

    /** Number of sequences. */
    int sequences();

    /** Tokens of these sequences. */
    long tokens(int[] sequences);

    /**
     * The divergence in nats, added up over the tokens of these sequences.
     *
     * @param weights of each block
     */
    double divergence(List<BlockMatrices> weights, int[] sequences) throws IOException;

    /**
     * The same, with its gradient.
     *
     * @param gradients receives, for each block and the layers it has, the gradient of the divergence
     */
    double gradient(List<BlockMatrices> weights, int[] sequences, List<BlockMatrices> gradients) throws IOException;
}
