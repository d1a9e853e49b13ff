/**
 * The Spark stages, and the order in which they run: open and plan, quantize units or take calibration tokens through the
 * model block by block, assemble, validate, publish; and the jobs of one stage that evaluate models and collect importance.
 *
 * <p>All that is Spark is here; what a task does to bytes lives in the packages below. Start at {@link
 * io.sparkgguf.job.QuantizeJob}; {@code BlockLoop} is the loop of a calibrated run, {@link io.sparkgguf.job.EvaluateJob} and
 * {@link io.sparkgguf.job.ImatrixJob} are the others, {@link io.sparkgguf.job.stage.Stage} is how work gets to executors.
 */
package io.sparkgguf.job;
