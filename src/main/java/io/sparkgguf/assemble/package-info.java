/**
 * Puts the parts of a run into place: an output file is cut into byte ranges, and each range is copied from the parts
 * that overlap it, whose digests are checked on the way.
 *
 * <p>Knows bytes and offsets, not tensors, nor how a place takes ranges. Start at {@link io.sparkgguf.assemble.ByteRange};
 * {@link io.sparkgguf.assemble.RangeCopier} does the work of one range.
 */
package io.sparkgguf.assemble;
