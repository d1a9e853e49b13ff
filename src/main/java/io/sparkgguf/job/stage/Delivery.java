package io.sparkgguf.job.stage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;

/**
 * What a Spark task sends back: results of its items, and whether it stopped at one for good. What no second attempt can
 * cure is a result and not a failure, so that Spark does not try again.
 *
 * @param results of the items that were done, in their order; what comes after a stop is missing
 * @param refusal why an input was not acceptable, or null
 * @param failure why a second attempt is of no use, or null
 */
record Delivery(Object[] results, String refusal, String failure) implements Serializable {

    /**
     * Ends the stage if the task did.
     *
     * @throws InvalidInputException for a refusal
     */
    void requireDone() throws IOException {
        if (refusal != null) {
            throw new InvalidInputException(refusal);
        }
        if (failure != null) {
            throw new IOException(failure);
        }
    }
}
