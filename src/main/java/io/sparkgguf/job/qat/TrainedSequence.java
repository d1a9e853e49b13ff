package io.sparkgguf.job.qat;

import io.sparkgguf.calibrate.Shard;
import java.io.Serializable;

/**
 * A sequence of a shard, and the files of hidden states that it is trained with.
 *
 * @param first its first token in the shard
 * @param index its place in the shard
 * @param tokens of it
 * @param input states of the shard before the block, as the student sees them
 * @param target states behind the block as they should be
 */
public record TrainedSequence(Shard shard, int first, int index, int tokens, String input, String target)
        implements Serializable {}
