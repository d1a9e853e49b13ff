package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokens that a run calibrates on, cut into shards.
 *
 * @param training what makes the result
 * @param heldOut what judges it; of no sequence when nothing is held out
 * @param shards of both, those of training first
 * @param sequenceLength tokens of a sequence
 * @param digest of all tokens, masks and sequences
 */
record CalibrationTokens(
        TokenSequences training, TokenSequences heldOut, List<Shard> shards, int sequenceLength, long digest) {

    /** Reads and packs the text that {@code settings} name. */
    static CalibrationTokens read(
            Storage storage, Checkpoint checkpoint, DecoderConfig config, CalibrationSettings settings)
            throws IOException {
        int length = settings.sequenceLength(config.context());
        TokenSequences all = CalibrationText.read(
                storage,
                checkpoint.model().metadata(),
                checkpoint.tokenizerFolder(),
                new TextSettings(
                        "calibrate",
                        settings.files(),
                        settings.tokenizer(),
                        length,
                        settings.maxTokens(),
                        settings.seed(),
                        settings.packing()));
        if (settings.holdOut() > 0 && all.count() < 2) {
            throw new InvalidInputException("Cannot hold out a share of " + all.count() + " sequence of " + length
                    + " tokens: give more text, a lower --sequence-length, or --hold-out 0 for no guard");
        }
        TokenSequences.Split split = all.holdOut(settings.holdOut(), settings.seed());
        int most = settings.work().shardTokens();
        List<Shard> shards =
                new ArrayList<>(Shard.cut(split.train().ends(), split.train().masked(), false, most, 0));
        shards.addAll(Shard.cut(split.heldOut().ends(), split.heldOut().masked(), true, most, shards.size()));
        return new CalibrationTokens(split.train(), split.heldOut(), List.copyOf(shards), length, all.digest());
    }

    /** The token ids of a shard. */
    int[] of(Shard shard) {
        int first = 0;
        for (Shard other : shards) {
            if (other.id() == shard.id()) {
                break;
            }
            if (other.heldOut() == shard.heldOut()) {
                first += other.tokens();
            }
        }
        int[] tokens = (shard.heldOut() ? heldOut : training).tokens();
        return Arrays.copyOfRange(tokens, first, first + shard.tokens());
    }

    /** Tokens that make Hessians of one kind: all but masked ones. */
    long counted(boolean ofHeldOut) {
        return (ofHeldOut ? heldOut : training).unmasked();
    }

    /** All tokens that go through the model. */
    long all() {
        return (long) training.tokens().length + heldOut.tokens().length;
    }
}
