package io.sparkgguf.job;

import io.sparkgguf.model.Model;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** The forward pass of a checkpoint or file over sequences of equal length. */
final class BitNetForward {
    private BitNetForward() {}

    /**
     * Logits, [sequence][position][token].
     *
     * @param without keys that the metadata is taken without
     */
    static float[][][] logits(Path model, int[][] sequences, String... without) throws IOException {
        LocalStorage storage = new LocalStorage();
        Model opened = Checkpoint.open(storage, model.toString(), null).model();
        Metadata metadata = opened.metadata().copy();
        Arrays.stream(without).forEach(metadata::remove);
        int length = sequences[0].length;
        int[] ids = Arrays.stream(sequences).flatMapToInt(Arrays::stream).toArray();
        int[] ends = new int[sequences.length];
        Arrays.setAll(ends, i -> (i + 1) * length);
        try (WeightSource weights = ModelWeights.of(opened).open(storage)) {
            Decoder decoder = new Decoder(DecoderConfig.of(opened.architecture(), metadata, weights::has), weights);
            float[] hidden = new float[ids.length * decoder.width()];
            decoder.embed(ids, 0, ids.length, hidden);
            for (int block = 0; block < decoder.blocks(); block++) {
                decoder.block(block, hidden, ends, BlockObserver.NONE, null);
            }
            float[] flat = new float[ids.length * decoder.vocabulary()];
            decoder.logits(hidden, 0, ids.length, flat);
            float[][][] logits = new float[sequences.length][length][];
            for (int token = 0; token < ids.length; token++) {
                logits[token / length][token % length] =
                        Arrays.copyOfRange(flat, token * decoder.vocabulary(), (token + 1) * decoder.vocabulary());
            }
            return logits;
        }
    }
}
