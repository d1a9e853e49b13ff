/**
 * The Spark stages, and the order in which they run: open and plan, quantize units, assemble, validate, publish.
 *
 * <p>All that is Spark is here; what a task does to bytes lives in the packages below. Start at {@link
 * io.sparkgguf.job.QuantizeJob}; {@link io.sparkgguf.job.Stage} is how work gets to executors.
 */
package io.sparkgguf.job;
