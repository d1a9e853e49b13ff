package io.sparkgguf.storage;

import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** A file that is written beside the target, where it can be read, and gets its name by a rename. */
abstract class RenamingCommit implements FileCommit {
    static final int BUFFER = 4 << 20;

    final Storage storage;
    private final String target;
    final long length;
    private boolean begun;

    RenamingCommit(Storage storage, String target, long length) {
        this.storage = storage;
        this.target = target;
        this.length = length;
    }

    /**
     * Makes the unfinished file.
     *
     * @param earlier whether an earlier run that is to be gone on with made it, too
     * @return whether it still holds what that run wrote
     */
    abstract boolean make(String file, boolean earlier) throws IOException;

    @Override
    public final String target() {
        return target;
    }

    @Override
    public final long leastRange() {
        return 1 << 20;
    }

    @Override
    public final long memory(long length) {
        return Math.min(length, BUFFER);
    }

    @Override
    public final boolean begin(String earlier) throws IOException {
        storage.requireFileName(unfinished());
        storage.requireFileName(target);
        begun = true;
        return make(unfinished(), unfinished().equals(earlier));
    }

    @Override
    public final String handle() {
        return unfinished();
    }

    final String unfinished() {
        return Unfinished.file(target);
    }

    @Override
    public final List<Integer> seal(List<String> receipts) throws IOException {
        Unfinished.requireLength(storage, unfinished(), length);
        return List.of();
    }

    @Override
    public final Optional<String> readable() {
        return Optional.of(unfinished());
    }

    /** Removes what writers that were killed left beside the unfinished file. */
    void sweep() throws IOException {}

    @Override
    public final void publish() throws IOException {
        storage.rename(unfinished(), target);
        begun = false;
        sweep();
    }

    @Override
    public final void abort() throws IOException {
        if (begun) {
            storage.delete(unfinished());
            begun = false;
            sweep();
        }
    }
}
