package io.sparkgguf.job;

import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.storage.Unfinished;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Set;

/**
 * The folder of a survey, put together beside its place and renamed when it is whole.
 *
 * @param folder its final name
 * @param overwrite whether an earlier survey there is replaced
 */
record SurveyOutput(Storage storage, String folder, boolean overwrite) {
    private static final String TABLE = "survey.parquet";
    private static final String SUMMARY = "summary.json";

    /** Puts files into the unfinished folder. */
    interface Body {
        void write(String table, String summary, String scratch) throws IOException;
    }

    /** Refuses a name that the folder cannot get, before anything is done for it. */
    void require() throws IOException {
        if (!storage.exists(folder)) {
            storage.requireFileName(folder);
            return;
        }
        if (!overwrite) {
            throw new InvalidInputException(
                    "Cannot write survey " + folder + ": it exists; --overwrite replaces an earlier survey");
        }
        boolean ours = storage.status(folder).folder();
        if (ours) {
            for (FileStatus entry : storage.list(folder)) {
                ours &= Set.of(TABLE, SUMMARY).contains(entry.fileName());
            }
        }
        if (!ours) {
            throw new InvalidInputException(
                    "Cannot overwrite " + folder + ": there is something that is no part of a survey");
        }
    }

    /** Writes it; when {@code body} fails, nothing is left and an earlier survey stays. */
    void write(Body body) throws IOException {
        String unfinished = Unfinished.file(folder);
        storage.delete(unfinished);
        try {
            storage.createFolder(unfinished);
            String scratch = storage.resolve(unfinished, "scratch");
            body.write(storage.resolve(unfinished, TABLE), storage.resolve(unfinished, SUMMARY), scratch);
            storage.delete(scratch);
            publish(unfinished);
        } catch (IOException | RuntimeException | Error e) {
            try {
                storage.delete(unfinished);
            } catch (IOException leftover) {
                e.addSuppressed(leftover);
            }
            throw e;
        }
    }

    private void publish(String unfinished) throws IOException {
        require(); // somebody else may have made it meanwhile
        if (!storage.exists(folder)) {
            storage.rename(unfinished, folder);
            return;
        }
        String earlier = folder + ".earlier";
        storage.delete(earlier);
        storage.rename(folder, earlier);
        try {
            storage.rename(unfinished, folder);
        } catch (IOException | RuntimeException e) {
            storage.rename(earlier, folder);
            throw e;
        }
        storage.delete(earlier);
    }
}
