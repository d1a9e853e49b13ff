package io.sparkgguf.job.work;

import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * What a run keeps while it goes on: the folder of its parts. It is gone when the run ends, but for the folder of a run
 * that calibrated blocks and ended early: the same run goes on from it.
 */
public final class WorkFolder {
    private static final String MARKER = "spark-gguf-work";
    private static final String FINGERPRINT = "fingerprint";

    private static final int LONGEST_TEXT = 1 << 14;

    private final Storage storage;
    private final String folder;
    private final Owner owner = Owner.here();
    private boolean ours;
    private boolean keep;

    public WorkFolder(Storage storage, String folder) {
        this.storage = storage;
        this.folder = folder;
    }

    /**
     * Makes the folder. What an interrupted run left there is removed; what belongs to somebody else is not touched.
     *
     * @throws InvalidInputException when there is something of its name that no run of this program made
     */
    public synchronized void create(Progress progress) throws IOException {
        create(progress, null);
    }

    /**
     * The same for a run that can go on from what an interrupted one left.
     *
     * @param fingerprint of all that decides the result; null for a run that begins anew whatever is there
     */
    public synchronized void create(Progress progress, String fingerprint) throws IOException {
        String marker = marker();
        boolean interrupted = storage.exists(folder);
        if (interrupted) {
            boolean empty =
                    storage.status(folder).folder() && storage.list(folder).isEmpty();
            if (!empty && !storage.exists(marker)) {
                throw new InvalidInputException("Cannot use work folder " + folder
                        + ": it exists and was not made by this program; name another with --work-dir");
            }
            Optional<Owner> other = empty ? Optional.empty() : owner();
            if (other.isPresent() && other.get().isAliveElsewhere()) {
                throw new InvalidInputException("Cannot use work folder " + folder + ": another run, process "
                        + other.get().process() + ", is using it");
            }
        } else {
            storage.requireFileName(folder); // its parent is there: no other folder is made that would stay
        }
        ours = true;
        boolean same = interrupted && fingerprint != null && fingerprint.equals(text(file(FINGERPRINT)));
        if (same) {
            progress.say("spark-gguf: going on from what the same run left in " + folder);
        } else if (interrupted) {
            progress.say("spark-gguf: removing what an interrupted run left in " + folder);
            Outputs.discard(storage, folder);
            storage.delete(folder);
        }
        keep = same;
        storage.createFolder(folder);
        write(marker, owner.text());
        storage.createFolder(parts());
        if (fingerprint != null && !same) {
            write(file(FINGERPRINT), fingerprint);
        }
    }

    /**
     * @param action what is to be done, for the message
     * @throws IOException unless the folder was made by this run, and nobody took it
     */
    public synchronized void requireOurs(String action) throws IOException {
        if (!isOurs()) {
            throw new IOException("Cannot " + action + ": "
                    + (ours ? "another run took its work folder, " + folder : "the run was told to end"));
        }
    }

    /** Whether the folder was made by this run, and nobody took it. */
    public synchronized boolean isOurs() throws IOException {
        return ours && owner().equals(Optional.of(owner));
    }

    /** All is published: nothing is to be gone on with. */
    public synchronized void finished() {
        keep = false;
    }

    /** From now on, what is done outlives the run's early end. */
    public synchronized void keepIfInterrupted() {
        keep = true;
    }

    private void write(String file, String text) throws IOException {
        try (OutputStream out = storage.create(file)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    private String file(String name) {
        return storage.resolve(folder, name);
    }

    private String marker() {
        return file(MARKER);
    }

    /** Keeps a few lines of text under a name, for a run that goes on from the folder. */
    public void remember(String name, String text) throws IOException {
        WholeFile.write(storage, file(name), out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** What was kept under a name; null when nothing was. */
    public String remembered(String name) throws IOException {
        return text(file(name));
    }

    /** A short file of the folder; null when there is none. */
    private String text(String file) throws IOException {
        if (!storage.exists(file)) {
            return null;
        }
        try (RangeReader reader = storage.open(file)) {
            byte[] text = new byte[(int) Math.min(LONGEST_TEXT, reader.length())];
            reader.readFully(0, text, 0, text.length);
            return new String(text, StandardCharsets.UTF_8);
        }
    }

    /** Whose the folder is; empty when it does not say. */
    private Optional<Owner> owner() throws IOException {
        String text = text(marker());
        return text == null ? Optional.empty() : Owner.parse(text);
    }

    /** Whether an early end leaves the folder for the same run to go on from. */
    public synchronized boolean isKept() {
        return keep;
    }

    /** Where parts are written. */
    public String parts() {
        return storage.resolve(folder, "parts");
    }

    /** The result of a unit. */
    public String part(int unit) {
        return partFile(storage, parts(), unit);
    }

    /** The file in a folder of parts that holds a unit's result. */
    public static String partFile(Storage storage, String folder, int unit) {
        return storage.resolve(folder, "unit-%06d".formatted(unit));
    }

    /** The header of an output file. */
    public String header(int file) {
        return storage.resolve(parts(), "header-" + file);
    }

    /**
     * Removes all of it, if it was made. Failing to do so must not hide why the run ended, so it is logged. The marker goes
     * last: whatever stops this halfway, the next run knows the folder as ours.
     */
    public synchronized void remove() {
        if (!ours) {
            return;
        }
        ours = false;
        try {
            Optional<Owner> found = owner();
            if (found.isPresent() && !found.get().equals(owner)) {
                return; // another run, on a machine that does not know of this one, took the folder
            }
            if (keep) {
                return;
            }
            storage.delete(parts());
            storage.delete(folder);
        } catch (IOException e) {
            System.getLogger(WorkFolder.class.getName())
                    .log(System.Logger.Level.WARNING, "Cannot remove work folder " + folder + ": " + e.getMessage());
        }
    }
}
