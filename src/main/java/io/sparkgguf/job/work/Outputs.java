package io.sparkgguf.job.work;

import io.sparkgguf.job.stage.Events;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.RangeWriter;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Unfinished;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/** The files that a run makes, before they have their names: the outputs, each with its commit, and the report. */
public final class Outputs {
    /** Notes in the work folder, one for each file: the target and the handle of its commit, a line each. */
    private static final String COMMIT = "commit-";

    private final Storage storage;
    private final List<OutputFile> files;
    private final String report;
    private final boolean inPlace;
    private final List<FileCommit> commits = new ArrayList<>();
    private final BitSet goneOnWith = new BitSet();
    private boolean begun;

    /** Files that come together from parts. */
    public Outputs(Storage storage, List<OutputFile> files, String report) {
        this(storage, files, report, false);
    }

    /**
     * @param report the name of a small file that is written last
     * @param inPlace whether results of units may be written straight into the unfinished files
     */
    public Outputs(Storage storage, List<OutputFile> files, String report, boolean inPlace) {
        this.storage = storage;
        this.files = files;
        this.report = report;
        this.inPlace = inPlace;
    }

    /**
     * Makes the unfinished files: a place that cannot be written is found before the work is done. Goes on with what an
     * earlier run remembered in the folder, where the place still knows it.
     *
     * @throws io.sparkgguf.tensor.InvalidInputException for names that no file can get
     */
    public synchronized void begin(WorkFolder work) throws IOException {
        storage.requireFileName(unfinishedReport());
        begun = true;
        for (int file = 0; file < files.size(); file++) {
            String target = files.get(file).file();
            FileCommit commit = storage.commit(target, files.get(file).length());
            commits.add(commit);
            String note = COMMIT + file;
            String[] earlier = lines(work.remembered(note));
            goneOnWith.set(file, commit.begin(earlier != null && earlier[0].equals(target) ? earlier[1] : null));
            work.remember(note, target + "\n" + commit.handle() + "\n");
        }
        storage.create(unfinishedReport()).close();
    }

    private static String[] lines(String note) {
        String[] lines = note == null ? new String[0] : note.split("\n");
        return lines.length == 2 ? lines : null;
    }

    /**
     * Removes what the run of a work folder left elsewhere: unfinished files and open uploads.
     *
     * @param folder of a run that does not go on
     * @return what was removed, for people
     */
    public static List<String> discard(Storage storage, String folder) throws IOException {
        List<String> removed = new ArrayList<>();
        for (int file = 0; ; file++) {
            String note = WorkFolders.text(storage, storage.resolve(folder, COMMIT + file));
            if (note == null) {
                return removed;
            }
            String[] earlier = lines(note);
            if (earlier != null) {
                removed.addAll(storage.discardUnfinished(earlier[0], earlier[1]));
            }
        }
    }

    /** How each output comes together, in order. */
    public synchronized List<FileCommit> commits() {
        return List.copyOf(commits);
    }

    /** The unfinished file in which results of units are written at their offset; empty when they are parts elsewhere. */
    public synchronized Optional<String> inPlace(int file) {
        return inPlace ? commits.get(file).writable() : Optional.empty();
    }

    /** Returns when all that this machine wrote in place is on disk. */
    public void sync() throws IOException {
        for (int file = 0; isBegun() && file < files.size(); file++) {
            Optional<String> written = inPlace(file);
            if (written.isPresent()) {
                RangeWriter.open(storage, written.get()).close();
            }
        }
    }

    private synchronized boolean isBegun() {
        return begun;
    }

    /** Whether an output was begun by an earlier run, so that its receipts hold. */
    public synchronized boolean isGoneOnWith(int file) {
        return goneOnWith.get(file);
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
        for (int file = 0; file < commits.size(); file++) {
            commits.get(file).publish();
            OutputFile published = files.get(file);
            Events.info(
                    "commit", "file", published.file(), "bytes", published.length(), "tensors", published.tensors());
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
                if (work.isKept()) {
                    commit.leave();
                } else {
                    commit.abort();
                }
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
