package io.sparkgguf.job.work;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;

/**
 * The folder in which runs have their work folders, by fingerprint.
 *
 * @param folder its name
 */
public record WorkFolders(Storage storage, String folder) {
    /** The component of fingerprints that names the output. */
    public static final String OUTPUT = "output";

    /** The component of fingerprints that says of what step of a run they are; none for the run as a whole. */
    public static final String STEP = "step";

    private static final int MAX_TEXT = 64 << 20;

    /**
     * The folder of a run.
     *
     * @param fingerprint null when it cannot be read
     */
    public record Found(String folder, Fingerprint fingerprint) {}

    /**
     * @throws InvalidInputException when there is something in it that no run of this program made
     */
    void requireOurs() throws IOException {
        if (!storage.exists(folder)) {
            storage.requireFileName(folder); // its parent is there: no other folder is made that would stay
            return;
        }
        boolean ours = storage.status(folder).folder();
        if (ours) {
            for (FileStatus entry : storage.list(folder)) {
                ours &= isRun(entry);
            }
        }
        if (!ours) {
            throw new InvalidInputException("Cannot use work folder " + folder
                    + ": it exists and was not made by this program; name another with --work-dir");
        }
    }

    private boolean isRun(FileStatus entry) throws IOException {
        if (!entry.folder() || !entry.fileName().matches("[0-9a-f]{16}")) {
            return false;
        }
        String run = storage.resolve(folder, entry.fileName());
        return storage.exists(storage.resolve(run, WorkFolder.MARKER))
                || storage.list(run).isEmpty();
    }

    void create() throws IOException {
        storage.createFolder(folder);
    }

    /** The folder of a fingerprint; null when there is none. */
    Found find(String id) throws IOException {
        String run = storage.resolve(folder, id);
        return storage.exists(storage.resolve(run, WorkFolder.MARKER)) ? new Found(run, fingerprint(run)) : null;
    }

    /** All of them. */
    List<Found> list() throws IOException {
        List<Found> found = new ArrayList<>();
        if (storage.exists(folder)) {
            for (FileStatus entry : storage.list(folder)) {
                if (isRun(entry)) {
                    String run = storage.resolve(folder, entry.fileName());
                    found.add(new Found(run, fingerprint(run)));
                }
            }
        }
        return found;
    }

    /** What other runs left that were to write the same output, of the same step. */
    List<Found> others(Fingerprint fingerprint, String target) throws IOException {
        return ofOutput(target).stream()
                .filter(found -> found.fingerprint() == null
                        || Objects.equals(found.fingerprint().component(STEP), fingerprint.component(STEP)))
                .filter(found ->
                        found.fingerprint() == null || !found.fingerprint().id().equals(fingerprint.id()))
                .toList();
    }

    /** What runs left that were to write an output; those that do not say which are taken for some of it. */
    public List<Found> ofOutput(String target) throws IOException {
        List<Found> own = new ArrayList<>();
        for (Found found : list()) {
            String output =
                    found.fingerprint() == null ? null : found.fingerprint().component(OUTPUT);
            if (output == null || storage.isSameFile(output, target)) {
                own.add(found);
            }
        }
        return own;
    }

    private Fingerprint fingerprint(String run) throws IOException {
        String text = text(storage, storage.resolve(run, WorkFolder.FINGERPRINT));
        return text == null ? null : Fingerprint.parse(text);
    }

    /** A small file; null when there is none. */
    static String text(Storage storage, String file) throws IOException {
        if (!storage.exists(file)) {
            return null;
        }
        try (RangeReader reader = storage.open(file)) {
            byte[] text = new byte[(int) Math.min(MAX_TEXT, reader.length())];
            reader.readFully(0, text, 0, text.length);
            return new String(text, StandardCharsets.UTF_8);
        }
    }

    /** Why there is nothing to resume. */
    String whyNot(Fingerprint wanted, String target) throws IOException {
        List<Found> others = others(wanted, target);
        List<String> nearest = others.stream()
                .filter(found -> found.fingerprint() != null)
                .map(found -> wanted.differences(found.fingerprint()))
                .min(Comparator.comparingInt(List::size))
                .orElse(List.of());
        if (nearest.isEmpty()) {
            return "there is no unfinished run of it in " + folder;
        }
        int more = nearest.size() - Math.min(3, nearest.size());
        return "the unfinished run in " + folder + " is another one: "
                + String.join(", ", nearest.subList(0, Math.min(3, nearest.size())))
                + (more > 0 ? ", and " + more + " more" : "");
    }

    /** Removes a run's folder, and this one if it is empty then. The marker goes last, so that half of it is known as ours. */
    public void remove(String run) throws IOException {
        if (storage.exists(run)) {
            for (FileStatus entry : storage.list(run)) {
                if (!entry.fileName().equals(WorkFolder.MARKER)) {
                    storage.delete(storage.resolve(run, entry.fileName()));
                }
            }
            storage.delete(run);
        }
        storage.deleteEmptyFolder(folder);
    }
}
