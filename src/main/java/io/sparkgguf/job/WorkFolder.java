package io.sparkgguf.job;

import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The folder of a run that goes on: parts, headers and unfinished outputs. It is gone when the run ends. */
final class WorkFolder {
    private static final String MARKER = "spark-gguf-work";

    private final Storage storage;
    private final String folder;
    private final List<OutputFile> outputs;

    private WorkFolder(Storage storage, String folder, List<OutputFile> outputs) {
        this.storage = storage;
        this.folder = folder;
        this.outputs = outputs;
    }

    /**
     * Makes the folder. What an interrupted run left there is removed; a folder of somebody else is not touched.
     *
     * @throws InvalidInputException when there is something of that name that no run of this program made
     */
    static WorkFolder create(Storage storage, String folder, List<OutputFile> outputs, Progress progress)
            throws IOException {
        String marker = storage.resolve(folder, MARKER);
        if (storage.exists(folder)) {
            if (!storage.exists(marker)
                    && !(storage.status(folder).folder() && storage.list(folder).isEmpty())) {
                throw new InvalidInputException("Cannot use work folder " + folder
                        + ": it exists and was not made by this program; name another with --work-dir");
            }
            progress.say("removing what an interrupted run left in " + folder);
            storage.delete(folder);
        }
        WorkFolder work = new WorkFolder(storage, folder, outputs);
        storage.createFolder(folder);
        try (OutputStream out = storage.create(marker)) {
            out.write("Parts of an unfinished run; may be deleted when none is going on.\n"
                    .getBytes(StandardCharsets.UTF_8));
        }
        storage.createFolder(work.parts());
        return work;
    }

    /** Where parts are written. */
    String parts() {
        return storage.resolve(folder, "parts");
    }

    /** The result of a unit. */
    String part(int unit) {
        return UnitRunner.partFile(storage, parts(), unit);
    }

    /** The header of an output file. */
    String header(int file) {
        return storage.resolve(folder, "header-" + file);
    }

    /** An output file before it has its name: beside it, so that a rename is enough. */
    String unfinished(int file) {
        return outputs.get(file).file() + ".unfinished";
    }

    /** All unfinished output files. */
    String[] unfinished() {
        String[] names = new String[outputs.size()];
        for (int file = 0; file < names.length; file++) {
            names[file] = unfinished(file);
        }
        return names;
    }

    /** Removes the folder and unfinished outputs. Failing to do so must not hide why the run ended, so it is logged. */
    synchronized void remove() {
        try {
            for (String file : unfinished()) {
                storage.delete(file);
            }
            storage.delete(folder);
        } catch (IOException e) {
            System.getLogger(WorkFolder.class.getName())
                    .log(System.Logger.Level.WARNING, "Cannot remove work folder " + folder + ": " + e.getMessage());
        }
    }
}
