package io.sparkgguf.job.work;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * What a run keeps while it goes on: its parts, and the journal that says which of them are done. It lies in a folder
 * named by the run's fingerprint, so that the same run, started again, goes on from it and another one does not touch it.
 * A run that is done removes its own; one that ended early leaves it when there is something in it to go on from.
 */
public final class WorkFolder {
    /** Made first and removed last: a folder without it is not this program's. */
    static final String MARKER = "spark-gguf-work";

    static final String FINGERPRINT = "fingerprint";

    private final Storage storage;
    private final String target;
    private final Fingerprint fingerprint;
    private final WorkFolders all;
    private final String folder;
    private final Owner owner = Owner.here();
    private Lease lease;
    private Journal journal;
    private boolean ours;
    private boolean earlier;
    private boolean keepRefused;
    private boolean finished;
    private boolean refused;

    /** What to do with what an earlier run of the same fingerprint left. */
    public enum Start {
        /** Go on from it if there is something. */
        ANY,
        /** Go on from it; refuse when there is nothing. */
        RESUME,
        /** Remove it. */
        FRESH
    }

    /**
     * @param folder in which each run has its own
     * @param target the output, of which there is one run at a time
     */
    public WorkFolder(Storage storage, String folder, String target, Fingerprint fingerprint) {
        this.storage = storage;
        this.target = target;
        this.fingerprint = fingerprint;
        all = new WorkFolders(storage, folder);
        this.folder = folder(storage, folder, fingerprint);
    }

    /** The folder of a run. */
    public static String folder(Storage storage, String all, Fingerprint fingerprint) {
        return storage.resolve(all, fingerprint.id());
    }

    /**
     * Claims the target, makes the folder, and reads what is there to go on from.
     *
     * @param json makes text of results
     * @throws InvalidInputException when another run writes the target, when there is something of the folder's name that
     *     no run of this program made, or when there is nothing to resume
     */
    public synchronized void create(Start start, ObjectMapper json, Progress progress) throws IOException {
        all.requireOurs();
        lease = Lease.take(storage, target, owner);
        WorkFolders.Found found = all.find(fingerprint.id());
        if (start == Start.RESUME && found == null) {
            throw new InvalidInputException("Cannot resume " + target + ": " + all.whyNot(fingerprint, target));
        }
        if (found != null && start == Start.FRESH) {
            progress.say("spark-gguf: removing what an earlier run left in " + folder);
            Outputs.discard(storage, folder);
            storage.delete(folder);
        }
        all.create();
        storage.createFolder(folder);
        ours = true;
        write(MARKER, owner.text());
        storage.createFolder(parts());
        if (!storage.exists(file(FINGERPRINT))) {
            write(FINGERPRINT, fingerprint.text());
        }
        journal = Journal.open(storage, folder, json);
        earlier = !journal.isEmpty();
        if (earlier) {
            progress.say("spark-gguf: going on from what an earlier run left in " + folder);
        }
        if (journal.damaged() > 0) {
            progress.say("spark-gguf: %d line(s) of its journal are damaged; what they say is done again"
                    .formatted(journal.damaged()));
        }
        int others = all.others(fingerprint, target).size();
        if (others > 0) {
            progress.say("spark-gguf: %s also holds what %d run(s) with other input or options left; 'spark-gguf clean'"
                            .formatted(all.folder(), others)
                    + " removes that");
        }
    }

    /** What is known of this run's results. */
    public Journal journal() {
        return journal;
    }

    /** Whether an earlier run left something to go on from. */
    public boolean isResumed() {
        return earlier;
    }

    /** The folder of this run alone. */
    public String folder() {
        return folder;
    }

    /**
     * @param action what is to be done, for the message
     * @throws IOException when another run has taken the target
     */
    public synchronized void requireOurs(String action) throws IOException {
        if (!ours) {
            throw new IOException("Cannot " + action + ": the run was told to end");
        }
        lease.renew();
    }

    /** Whether this run began, and no other has taken the target. */
    public synchronized boolean isOurs() throws IOException {
        return ours && lease.isHeld();
    }

    /** All is published: nothing is to be gone on with. */
    public synchronized void finished() {
        finished = true;
    }

    /** The input was refused, so that the same run cannot come further; without much work in it, the folder goes too. */
    public synchronized void refused() {
        refused = true;
    }

    /** From now on, what is done is worth keeping even when the run is refused. */
    public synchronized void keepIfRefused() {
        keepRefused = true;
    }

    private void write(String name, String text) throws IOException {
        WholeFile.write(storage, file(name), out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    private String file(String name) {
        return storage.resolve(folder, name);
    }

    /** Keeps a few lines of text under a name, for a run that goes on from the folder. */
    public void remember(String name, String text) throws IOException {
        write(name, text);
    }

    /** What was kept under a name; null when nothing was. */
    public String remembered(String name) throws IOException {
        return WorkFolders.text(storage, file(name));
    }

    /** Whether the run's end, now or as it was, leaves the folder for the same run to go on from. */
    public synchronized boolean isKept() {
        boolean something = journal != null && !journal.isEmpty();
        return !finished && something && (!refused || earlier || keepRefused);
    }

    /** Where parts are written. */
    public String parts() {
        return file("parts");
    }

    /** The file of a part. */
    public String part(String name) {
        return storage.resolve(parts(), name);
    }

    /**
     * The name of a unit's result. Kinds of stages that make a unit in different ways have names of their own for it: what
     * a late copy of an earlier stage's task writes does not take the place of what a later one made.
     *
     * @param kind of stage, see {@link io.sparkgguf.job.stage.Stage#kind}
     */
    public static String partName(int unit, String kind) {
        return "unit-%06d-%s".formatted(unit, kind);
    }

    /** The header of an output file. */
    public String header(int file) {
        return storage.resolve(parts(), "header-" + file);
    }

    /**
     * Ends: removes the folder unless the same run can go on from it, and gives the target free. Failing to do so must not
     * hide why the run ended, so it is logged.
     */
    public synchronized void end() {
        if (ours) {
            ours = false;
            try {
                endOurs();
            } catch (IOException e) {
                System.getLogger(WorkFolder.class.getName())
                        .log(System.Logger.Level.WARNING, "Cannot end with " + folder + ": " + e.getMessage());
            }
        }
        if (lease != null) {
            lease.close();
        }
    }

    private void endOurs() throws IOException {
        try {
            if (journal != null) {
                journal.close();
            }
        } finally {
            if (!isKept() && lease.isHeld()) { // else another run of the same fingerprint may be using it
                all.remove(folder);
            }
        }
    }
}
