package io.sparkgguf.job;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.LinearInput;
import java.io.Serializable;

/**
 * A place for each column of each input of a model's linear layers: block after block, in a block the inputs in order, the
 * output head's last.
 *
 * @param output whether the output head has places
 */
record InputColumns(DecoderConfig config, boolean output) implements Serializable {

    int columns(LinearInput input) {
        return switch (input) {
            case ATTENTION, FEED_FORWARD -> config.width();
            case ATTENTION_OUTPUT -> config.queryColumns();
            case FEED_FORWARD_DOWN -> config.feedForward();
        };
    }

    /** The first place of an input. */
    int at(int block, LinearInput input) {
        int at = Math.multiplyExact(block, ofBlock());
        for (LinearInput before : LinearInput.values()) {
            if (before == input) {
                return at;
            }
            at = Math.addExact(at, columns(before));
        }
        throw new IllegalArgumentException("Cannot place " + input);
    }

    /** The first place of the output head's input. */
    int atOutput() {
        return Math.multiplyExact(config.blocks(), ofBlock());
    }

    /** All places. */
    int count() {
        return Math.addExact(atOutput(), output ? config.width() : 0);
    }

    private int ofBlock() {
        int sum = 0;
        for (LinearInput input : LinearInput.values()) {
            sum = Math.addExact(sum, columns(input));
        }
        return sum;
    }
}
