package io.sparkgguf.storage;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Another storage, some of whose files are held to what they were when a run began: they are opened only if their length
 * and ETag, or time, are still the same. Given to tasks, so that no part of a result is made from another checkpoint.
 */
public final class PinnedStorage implements Storage {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final HashMap<String, FileStatus> seen;
    private final boolean pinsAll;

    private PinnedStorage(Storage storage, HashMap<String, FileStatus> seen, boolean pinsAll) {
        this.storage = storage;
        this.seen = seen;
        this.pinsAll = pinsAll;
    }

    /** Holds every file to what it is when it is opened for the first time. */
    public static PinnedStorage atFirstSight(Storage storage) {
        return new PinnedStorage(storage, new HashMap<>(), true);
    }

    /**
     * @param storage may be pinned already: its files stay so
     * @param seen files by the names that they will be opened by
     */
    public static PinnedStorage of(Storage storage, Iterable<FileStatus> seen) {
        HashMap<String, FileStatus> all = new HashMap<>();
        Storage below = storage;
        if (storage instanceof PinnedStorage pinned) {
            all.putAll(pinned.seen);
            below = pinned.storage;
        }
        for (FileStatus file : seen) {
            all.put(file.file(), file);
        }
        return new PinnedStorage(below, all, false);
    }

    /** The files that are held to what they were. */
    public synchronized Map<String, FileStatus> pinned() {
        return Map.copyOf(seen);
    }

    /**
     * Looks at all pinned files again.
     *
     * @throws io.sparkgguf.tensor.InvalidInputException when one was changed or removed
     */
    public void requireUnchanged() throws IOException {
        for (FileStatus file : pinned().values()) {
            try {
                file.requireSame(storage.status(file.file()));
            } catch (FileNotFoundException e) {
                throw file.removed(e);
            }
        }
    }

    @Override
    public RangeReader open(String file) throws IOException {
        FileStatus before = before(file);
        return before == null ? storage.open(file) : storage.open(before);
    }

    private synchronized FileStatus before(String file) throws IOException {
        FileStatus before = seen.get(file);
        if (before == null && pinsAll) {
            before = storage.status(file).named(file);
            if (before.folder()) {
                return null; // whoever opens it is told
            }
            seen.put(file, before);
        }
        return before;
    }

    @Override
    public RangeReader open(FileStatus before) throws IOException {
        return storage.open(before);
    }

    @Override
    public FileStatus status(String file) throws IOException {
        return storage.status(file);
    }

    @Override
    public synchronized boolean exists(String file) throws IOException {
        return seen.containsKey(file) || storage.exists(file);
    }

    @Override
    public boolean isSameFile(String a, String b) throws IOException {
        return storage.isSameFile(a, b);
    }

    @Override
    public void requireFileName(String file) throws IOException {
        storage.requireFileName(file);
    }

    @Override
    public List<FileStatus> list(String folder) throws IOException {
        return storage.list(folder);
    }

    @Override
    public void createFolder(String folder) throws IOException {
        storage.createFolder(folder);
    }

    @Override
    public OutputStream create(String file) throws IOException {
        return storage.create(file);
    }

    @Override
    public boolean createNew(String file, byte[] content) throws IOException {
        return storage.createNew(file, content);
    }

    @Override
    public boolean deleteEmptyFolder(String folder) throws IOException {
        return storage.deleteEmptyFolder(folder);
    }

    @Override
    public synchronized Storage scratch() {
        return new PinnedStorage(storage.scratch(), new HashMap<>(seen), pinsAll);
    }

    @Override
    public Optional<AbortableOutput> createAtOnce(String file) throws IOException {
        return storage.createAtOnce(file);
    }

    @Override
    public boolean writesAtOffsets(String file) {
        return storage.writesAtOffsets(file);
    }

    @Override
    public Optional<RangeWriter> openForWriting(String file) throws IOException {
        return storage.openForWriting(file);
    }

    @Override
    public FileCommit commit(String target, long length) throws IOException {
        return storage.commit(target, length);
    }

    @Override
    public List<String> discardUnfinished(String target, String handle) throws IOException {
        return storage.discardUnfinished(target, handle);
    }

    @Override
    public void rename(String from, String to) throws IOException {
        storage.rename(from, to);
    }

    @Override
    public void delete(String file) throws IOException {
        storage.delete(file);
    }

    @Override
    public String resolve(String folder, String child) {
        return storage.resolve(folder, child);
    }
}
