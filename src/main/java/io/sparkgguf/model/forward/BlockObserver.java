package io.sparkgguf.model.forward;

import java.io.IOException;

/** Sees what the linear layers of a block read. */
@FunctionalInterface
public interface BlockObserver {
    /** Looks at nothing. */
    BlockObserver NONE = (block, input, x, tokens, columns) -> {};

    /**
     * Called once for each input, with all tokens of the batch, before the layers that read it run. All values are
     * finite.
     *
     * @param x {@code tokens * columns} values from index 0, a token's after each other; only to be read, and only during
     *     the call
     */
    void input(int block, LinearInput input, float[] x, int tokens, int columns) throws IOException;
}
