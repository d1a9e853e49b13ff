package io.sparkgguf.calibrate.text;

import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;

/** The way from what the user names to sequences of tokens. */
public final class CalibrationText {
    private CalibrationText() {}

    /**
     * Reads, tokenizes and packs.
     *
     * @param metadata the model's, with its {@code tokenizer.*} keys
     * @param modelFolder the model's Hugging Face folder, null when the model is a GGUF file
     * @throws io.sparkgguf.tensor.InvalidInputException in one line, when there is not one sequence to be had, when a
     *     file is none of the kinds that are read, or when ids are not of this model's vocabulary
     */
    public static TokenSequences read(Storage storage, Metadata metadata, String modelFolder, TextSettings settings)
            throws IOException {
        return new TextReading(storage, metadata, modelFolder, settings).read();
    }
}
