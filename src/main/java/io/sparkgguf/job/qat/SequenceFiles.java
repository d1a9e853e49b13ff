package io.sparkgguf.job.qat;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.qat.MemoryGradients;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.List;

/** Sequences that are read from files of hidden states when their turn comes. */
final class SequenceFiles implements MemoryGradients.Sequences {
    private final Storage storage;
    private final int width;
    private final List<TrainedSequence> sequences;

    private final int first;
    private final int behind;

    /**
     * @param width of the residual stream
     * @param first the block that inputs stand before
     * @param behind the block that targets stand before
     */
    SequenceFiles(Storage storage, int width, List<TrainedSequence> sequences, int first, int behind) {
        this.storage = storage;
        this.width = width;
        this.sequences = sequences;
        this.first = first;
        this.behind = behind;
    }

    @Override
    public int count() {
        return sequences.size();
    }

    @Override
    public int tokens(int sequence) {
        return sequences.get(sequence).tokens();
    }

    @Override
    public MemoryGradients.Sequence read(int sequence) throws IOException {
        TrainedSequence from = sequences.get(sequence);
        return new MemoryGradients.Sequence(read(from, from.input(), first), read(from, from.target(), behind));
    }

    private float[] read(TrainedSequence from, String file, int before) throws IOException {
        float[] states = new float[Math.multiplyExact(from.tokens(), width)];
        Shard.Batch one = new Shard.Batch(from.first(), from.index(), new int[] {from.tokens()}, new int[0]);
        try (HiddenStates.Reader reader = new HiddenStates(storage, file, from.shard(), before, width).open()) {
            reader.read(one, states);
        }
        return states;
    }
}
