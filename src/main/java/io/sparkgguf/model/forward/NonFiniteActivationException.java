package io.sparkgguf.model.forward;

import io.sparkgguf.tensor.InvalidInputException;

/** A forward pass met an infinity or NaN. */
public final class NonFiniteActivationException extends InvalidInputException {
    private static final long serialVersionUID = 1L;

    private final int block;
    private final String tensor;

    NonFiniteActivationException(String model, int block, String tensor, float value, int token, int column) {
        super("Cannot run " + (block < 0 ? "the output" : "block " + block) + " of " + model + ": the input of "
                + tensor + " is " + value + " at token " + token + " of the batch, column " + column);
        this.block = block;
        this.tensor = tensor;
    }

    /** The block, or -1 for the output head. */
    public int block() {
        return block;
    }

    /** The first of the weights that would have read the value. */
    public String tensor() {
        return tensor;
    }
}
