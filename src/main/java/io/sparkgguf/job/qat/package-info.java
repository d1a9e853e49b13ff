/**
 * What tasks do to train a block on its grids: one task the whole block, or many tasks the gradients of sequences and the
 * layers. Both give the same bits, for sums are taken sequence by sequence in a fixed order. All blocks together are trained in
 * the second way.
 *
 * <p>All that lasts from step to step is in files of the work folder, whose sections carry digests. Knows no Spark; which
 * tasks run when is decided in {@code job}. Start at {@link io.sparkgguf.job.qat.TrainingTasks}.
 */
package io.sparkgguf.job.qat;
