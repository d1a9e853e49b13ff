package io.sparkgguf.job;

import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.work.Lease;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolders;
import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Removes what runs that ended early left of an output: work folders, unfinished files, open uploads, their lease. */
public final class CleanJob {
    private final Storage storage;
    private final String output;
    private final String work;

    /**
     * @param output the file that was to be written; one of that name stays
     * @param work where its runs kept their work; null for {@code <output>.work}
     */
    public CleanJob(Session session, String output, String work) {
        storage = session.storage();
        this.output = session.everywhere(output);
        this.work = work == null ? this.output + ".work" : session.everywhere(work.replaceAll("(?<=.)/+$", ""));
    }

    /**
     * Does it.
     *
     * @return names of what was removed
     * @throws InvalidInputException when a run is writing the output
     */
    public List<String> run() throws IOException {
        storage.requireFileName(output);
        return Lease.holding(storage, output, lease -> {
            List<String> removed = new ArrayList<>();
            WorkFolders folders = new WorkFolders(storage, work);
            for (WorkFolders.Found found : folders.ofOutput(output)) {
                removed.addAll(Outputs.discard(storage, found.folder()));
                folders.remove(found.folder());
                removed.add(found.folder());
            }
            removed.addAll(storage.discardUnfinished(output, null));
            for (String file : leftBeside()) {
                storage.delete(file);
                removed.add(file);
            }
            return removed;
        });
    }

    /** Unfinished files of the output, its shards and its report, and temporary ones of these and of its lease. */
    private List<String> leftBeside() throws IOException {
        String folder = Names.folder(output);
        String name = output.substring(output.lastIndexOf('/') + 1);
        String stem = name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
        Pattern left = Pattern.compile("(\\Q" + stem + "\\E-\\d{5}-of-\\d{5}\\.gguf|\\Q" + name
                + "\\E(\\.report\\.json)?)\\.unfinished(\\.[0-9a-f-]{36}\\.tmp)?|\\Q" + name
                + "\\E\\.lease\\.[0-9a-f-]{36}\\.tmp");
        List<String> files = new ArrayList<>();
        try {
            for (FileStatus entry : storage.list(folder)) {
                if (!entry.folder() && left.matcher(entry.fileName()).matches()) {
                    files.add(storage.resolve(folder, entry.fileName()));
                }
            }
        } catch (FileNotFoundException e) {
            return List.of(); // an object store has no folder where there is no object
        }
        return files;
    }
}
