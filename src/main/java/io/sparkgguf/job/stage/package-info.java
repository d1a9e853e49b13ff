/**
 * How work gets to executors and what is heard of it: the Spark context of a run, a stage of independent items, progress,
 * and what went wrong under Spark's wrapping.
 *
 * <p>Knows Spark, and nothing of models. Start at {@link io.sparkgguf.job.stage.Stage}.
 */
package io.sparkgguf.job.stage;
