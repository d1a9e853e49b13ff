/**
 * What calibration keeps on disk, and the sums it takes: hidden states of shards of sequences, partial Hessians of a
 * shard, their sums as tiles, and panels of rows for the solver. All files carry digests that are checked when they are
 * read. Knows nothing of Spark, of plans or of the order in which a run does these things: that is {@code job}.
 *
 * <p>Start at {@link io.sparkgguf.calibrate.HessianPart}; {@link io.sparkgguf.calibrate.Shard} says what a task works on,
 * {@link io.sparkgguf.calibrate.SectionWriter} how files are written.
 */
package io.sparkgguf.calibrate;
