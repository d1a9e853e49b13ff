/**
 * What calibration keeps on disk, and the sums it takes: hidden states of shards of sequences, what layers read of them,
 * Hessians as tiles, and panels of rows for the solver; and the sums of squares that an importance matrix is made of. All
 * files carry digests that are checked when they are read. Knows nothing of Spark, of plans or of the order in which a run
 * does these things: that is {@code job}. Text is {@code calibrate.text}'s.
 *
 * <p>Start at {@link io.sparkgguf.calibrate.InputFile} and {@link io.sparkgguf.calibrate.TileBlock}, which sums; {@link
 * io.sparkgguf.calibrate.Shard} says what a task works on, {@link io.sparkgguf.calibrate.SectionWriter} how files are
 * written. {@link io.sparkgguf.calibrate.SquareSums} stands alone, for runs that want the diagonal only.
 */
package io.sparkgguf.calibrate;
