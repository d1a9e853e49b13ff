package io.sparkgguf.job.work;

import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Unfinished;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;

/** The files that a run makes, before they have their names: the outputs, each with its commit, and the report. */
public final class Outputs {
    private final Storage storage;
    private final List<OutputFile> files;
    private final String report;
    private final List<FileCommit> commits = new ArrayList<>();
    private boolean begun;

    /** @param report the name of a small file that is written last */
    public Outputs(Storage storage, List<OutputFile> files, String report) {
        this.storage = storage;
        this.files = files;
        this.report = report;
    }

    /** Refuses names that no file can get; touches nothing. */
    public void require() throws IOException {
        for (OutputFile file : files) {
            storage.requireFileName(Unfinished.file(file.file()));
        }
        storage.requireFileName(unfinishedReport());
    }

    /** Makes the unfinished files: a place that cannot be written is found before the work is done. */
    public synchronized void begin() throws IOException {
        begun = true;
        for (OutputFile file : files) {
            FileCommit commit = storage.commit(file.file(), file.length());
            commits.add(commit);
            commit.begin(null);
        }
        storage.create(unfinishedReport()).close();
    }

    /** How each output comes together, in order. */
    public synchronized List<FileCommit> commits() {
        return List.copyOf(commits);
    }

    /** The name to tell of a failed run: that of the first output. */
    public String name() {
        return files.isEmpty() ? report : files.get(0).file();
    }

    /** Writes the report and gives all files their names, if the folder still is the run's. */
    public synchronized void publish(WorkFolder work, byte[] reportBytes) throws IOException {
        work.requireOurs("publish " + name());
        try (OutputStream out = storage.create(unfinishedReport())) {
            out.write(reportBytes);
        }
        for (FileCommit commit : commits) {
            commit.publish();
        }
        storage.rename(unfinishedReport(), report);
        begun = false;
        work.finished();
    }

    /**
     * Removes what has no name yet, unless another run took the folder and writes it now. Failing to do so must not hide
     * why the run ended, so it is logged.
     */
    public synchronized void abort(WorkFolder work) {
        if (!begun) {
            return;
        }
        begun = false;
        try {
            if (!work.isOurs()) {
                return;
            }
            for (FileCommit commit : commits) {
                commit.abort();
            }
            storage.delete(unfinishedReport());
        } catch (IOException e) {
            System.getLogger(Outputs.class.getName())
                    .log(System.Logger.Level.WARNING, "Cannot remove what is unfinished: " + e.getMessage());
        }
    }

    private String unfinishedReport() {
        return Unfinished.file(report);
    }
}
