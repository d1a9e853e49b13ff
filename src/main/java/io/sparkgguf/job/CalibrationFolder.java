package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import java.io.Serializable;
import java.util.Locale;

/**
 * Names of the files that calibration keeps in the work folder.
 *
 * @param folder of all of them
 */
record CalibrationFolder(String folder) implements Serializable {

    /** The folder in a work folder. */
    static CalibrationFolder in(Storage storage, String work) {
        return new CalibrationFolder(storage.resolve(work, "calibration"));
    }

    /** Hidden states of all shards. */
    String hidden(Storage storage) {
        return storage.resolve(folder, "hidden");
    }

    /** The hidden states of a shard before a block. */
    String hidden(Storage storage, int block, Shard shard) {
        return storage.resolve(hidden(storage), "block-%04d-shard-%06d".formatted(block, shard.id()));
    }

    /** Hidden states of all shards as the original weights make them. */
    String originalHidden(Storage storage) {
        return storage.resolve(folder, "hidden-original");
    }

    /** Those of a shard before a block. */
    String originalHidden(Storage storage, int block, Shard shard) {
        return storage.resolve(originalHidden(storage), "block-%04d-shard-%06d".formatted(block, shard.id()));
    }

    /** What a block needs while it is worked on. */
    String block(Storage storage, int block) {
        return storage.resolve(folder, "block-%04d".formatted(block));
    }

    /** What layers of a block read, all shards. */
    String inputs(Storage storage, int block) {
        return storage.resolve(block(storage, block), "inputs");
    }

    /** That of a shard, as a pass has seen it of which {@code first} is the first input. */
    String inputs(Storage storage, int block, LinearInput first, Shard shard) {
        return storage.resolve(inputs(storage, block), label(first) + "-shard-%06d".formatted(shard.id()));
    }

    /** Sums of squares of an input of which no more is wanted. */
    String squares(Storage storage, int block, LinearInput input) {
        return storage.resolve(block(storage, block), label(input) + "-squares");
    }

    /** The tiles of Δ. */
    String delta(Storage storage, int block, LinearInput input, boolean heldOut) {
        return hessian(storage, block, input, heldOut) + "-delta";
    }

    /** A Hessian's tiles. */
    String hessian(Storage storage, int block, LinearInput input, boolean heldOut) {
        return storage.resolve(block(storage, block), label(input) + (heldOut ? "-held-out" : "-training"));
    }

    /** A factor's tiles while it is made. */
    String factor(Storage storage, int block, LinearInput input) {
        return storage.resolve(block(storage, block), label(input) + "-factor");
    }

    /** Rows of a factor or Hessian. */
    String panels(Storage storage, int block, LinearInput input, String matrix) {
        return storage.resolve(block(storage, block), label(input) + "-" + matrix + "-panels");
    }

    /** What a solve needs beside the factor. */
    String summary(Storage storage, int block, LinearInput input) {
        return storage.resolve(block(storage, block), label(input) + "-summary");
    }

    /** The importance of an input's columns: float32 from byte 0. */
    String importance(Storage storage, int block, LinearInput input) {
        return storage.resolve(block(storage, block), label(input) + "-importance");
    }

    /** All that the training of a block needs. */
    String training(Storage storage, int block) {
        return storage.resolve(folder, "training-%04d".formatted(block));
    }

    /** The hidden states of a shard before a block, where its training comes later. */
    String trainingInput(Storage storage, int block, Shard shard) {
        return storage.resolve(training(storage, block), "input-shard-%06d".formatted(shard.id()));
    }

    /** What the original block makes of a shard. */
    String trainingTarget(Storage storage, int block, Shard shard) {
        return storage.resolve(training(storage, block), "target-shard-%06d".formatted(shard.id()));
    }

    /** All that the training of all blocks together needs. */
    String modelTraining(Storage storage) {
        return storage.resolve(folder, "training-model");
    }

    /** What of that is a block's. */
    String modelTraining(Storage storage, int block) {
        return storage.resolve(modelTraining(storage), "block-%04d".formatted(block));
    }

    /** The embedded tokens of a shard, as the quantized model has them. */
    String modelInput(Storage storage, Shard shard) {
        return storage.resolve(modelTraining(storage), "input-shard-%06d".formatted(shard.id()));
    }

    /** What the original blocks make of a shard. */
    String modelTarget(Storage storage, Shard shard) {
        return storage.resolve(modelTraining(storage), "target-shard-%06d".formatted(shard.id()));
    }

    /** Says that a block is done. */
    String manifest(Storage storage, int block) {
        return storage.resolve(folder, block < 0 ? "start.done" : "block-%04d.done".formatted(block));
    }

    private static String label(LinearInput input) {
        return input.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
