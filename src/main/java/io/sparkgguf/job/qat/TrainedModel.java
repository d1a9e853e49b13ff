package io.sparkgguf.job.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.qat.Layer;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * What tasks must know of a model whose blocks are trained together.
 *
 * @param blocks all of the model, also those of which no layer is trained; all have the same weights, settings and sequences,
 *     and these have inputs before the first block and targets behind the last one
 */
public record TrainedModel(ArrayList<TrainedBlock> blocks) implements Serializable {

    DecoderConfig config() {
        return blocks.get(0).config();
    }

    Weights original() {
        return blocks.get(0).original();
    }

    Weights now() {
        return blocks.get(0).now();
    }

    List<TrainedSequence> sequences() {
        return blocks.get(0).sequences();
    }

    List<Set<Layer>> layers() {
        return blocks.stream().map(block -> block.layers().keySet()).toList();
    }
}
