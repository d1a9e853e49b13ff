package io.sparkgguf.qat;

import java.io.IOException;

/**
 * Gives the error of a block's output, and its gradient, over sequences: in memory, or from many machines.
 *
 * <p>Errors are sums of squares over all elements, which a source may weight token by token. The sum over sequences is taken one after the other in the given order,
 * of errors and gradients that were each made by themselves: so every source gives the same bits.
 */
public interface GradientSource {

    /** Number of sequences. */
    int sequences();

    /** Elements of the output of these sequences. */
    long elements(int[] sequences);

    /** The error of the output of a block with these weights. */
    double error(BlockMatrices weights, int[] sequences) throws IOException;

    /**
     * The same, with its gradient.
     *
     * @param gradients receives, for the layers it has, half the gradient of the error
     */
    double gradient(BlockMatrices weights, int[] sequences, BlockMatrices gradients) throws IOException;
}
