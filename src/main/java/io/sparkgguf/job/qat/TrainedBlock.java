package io.sparkgguf.job.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.tensor.BlockType;
import java.io.Serializable;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What tasks must know of a block that is trained.
 *
 * @param index of the block
 * @param layers that are trained, with the files of their blocks at the start, one behind the other
 * @param original weights
 * @param now weights: what is quantized as it is, the rest original
 * @param sequences those of training, then those that are held out
 * @param folder for files of the training
 */
public record TrainedBlock(
        int index,
        DecoderConfig config,
        QatSettings settings,
        EnumMap<Layer, Start> layers,
        Weights original,
        Weights now,
        List<TrainedSequence> sequences,
        String folder)
        implements Serializable {

    /** A layer's type, and the files that its blocks are in. */
    public record Start(BlockType type, List<String> files) implements Serializable {}

    /** Layers that are not trained. */
    Set<Layer> fixed() {
        Set<Layer> fixed = EnumSet.allOf(Layer.class);
        fixed.removeAll(layers.keySet());
        return fixed;
    }
}
