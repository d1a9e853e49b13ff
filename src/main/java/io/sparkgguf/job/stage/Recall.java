package io.sparkgguf.job.stage;

import java.io.IOException;

/**
 * What is known of a stage's items from before, and who is told what is learned: a stage runs only what is not known. On
 * the driver, from the thread that runs the stage.
 *
 * @param <R> what the task returns; never null
 */
public interface Recall<R> {

    /** The result of an item of an earlier run, or null when it is to be made. */
    R known(int item);

    /**
     * An item is done. Told once for each item that was not known, whatever was retried meanwhile, in the order in which
     * results arrive.
     *
     * @throws IOException when it cannot be kept, which ends the stage
     */
    void learned(int item, R result) throws IOException;
}
