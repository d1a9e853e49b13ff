/**
 * How work gets to executors and what is heard of it: the Spark context of a run, a stage of independent items, how many
 * of them run at once in a heap, progress, metrics, events, and what went wrong under Spark's wrapping.
 *
 * <p>Knows Spark, and nothing of models. Start at {@link io.sparkgguf.job.stage.Stage}; {@code Submission} and {@code
 * TaskBody} are its two ends in driver and executor, {@link io.sparkgguf.job.stage.TaskHeap} is the rule of memory.
 */
package io.sparkgguf.job.stage;
