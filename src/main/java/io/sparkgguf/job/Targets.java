package io.sparkgguf.job;

import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The names that a run will give to files, checked before anything is done. */
final class Targets {
    private final Storage storage;
    private final QuantizeSettings settings;
    private final Checkpoint checkpoint;

    private Targets(Storage storage, QuantizeSettings settings, Checkpoint checkpoint) {
        this.storage = storage;
        this.settings = settings;
        this.checkpoint = checkpoint;
    }

    /**
     * Refuses a run that would write over what it reads, over its own files, or where no file can be.
     *
     * @param settings with an output
     */
    static void check(Storage storage, QuantizeSettings settings, Checkpoint checkpoint, Plan plan) throws IOException {
        Targets targets = new Targets(storage, settings, checkpoint);
        List<String> files =
                new ArrayList<>(plan.files().stream().map(OutputFile::file).toList());
        files.add(settings.reportFile());
        for (int i = 0; i < files.size(); i++) {
            targets.requireWritable(files.get(i));
            for (String other : files.subList(0, i)) {
                if (storage.isSameFile(files.get(i), other)) {
                    throw refusal(files.get(i), "the report and the output are to have this name");
                }
            }
        }
    }

    private void requireWritable(String file) throws IOException {
        storage.requireFileName(file);
        if (checkpoint.reads(storage, file)) {
            throw refusal(file, "the model is read from it");
        }
        if (settings.imatrix() != null && storage.isSameFile(file, settings.imatrix())) {
            throw refusal(file, "the imatrix is read from it");
        }
        if (settings.calibration() != null) {
            for (String text : settings.calibration().files()) {
                if (storage.isSameFile(file, text)) {
                    throw refusal(file, "the calibration text is read from it");
                }
            }
        }
    }

    private static InvalidInputException refusal(String file, String reason) {
        return new InvalidInputException("Cannot write " + file + ": " + reason);
    }
}
