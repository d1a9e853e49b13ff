package io.sparkgguf.job.stage;

/**
 * How tasks of a stage were fitted into the heap of what runs them.
 *
 * @param taskBytes that an item holds at most
 * @param coresPerTask cores that each task was given
 * @param atOnce items of that size that run at once in an executor; 0 when its cores are not known
 */
public record Fit(long taskBytes, int coresPerTask, int atOnce) {}
