package io.sparkgguf.storage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;

/**
 * The files of one place, named by path or URI. Executors get a copy, so an implementation is serializable and opens
 * what it needs where it runs. Every method's {@link IOException} has a message that names the file.
 */
public interface Storage extends Serializable {

    /** Opens a file for positional reads; closes with the reader. Safe to call from many threads. */
    RangeReader open(String file) throws IOException;

    /**
     * Opens a file that was looked at before, and only if it is still the same.
     *
     * @throws InvalidInputException when it was changed or removed since
     */
    default RangeReader open(FileStatus seen) throws IOException {
        RangeReader reader;
        try {
            reader = open(seen.file());
        } catch (FileNotFoundException e) {
            throw seen.removed(e);
        }
        try {
            seen.requireSame(
                    status(seen.file())); // after it was opened: what is read is not older than what was looked at
        } catch (FileNotFoundException e) {
            reader.close();
            throw seen.removed(e);
        } catch (IOException | RuntimeException e) {
            reader.close();
            throw e;
        }
        return reader;
    }

    /** What is at this name. Throws {@link java.io.FileNotFoundException} when nothing is. */
    FileStatus status(String file) throws IOException;

    /** Whether anything, a file or a folder, has this name. */
    boolean exists(String file) throws IOException;

    /** Whether both names mean the same file, whether it exists or not. */
    default boolean isSameFile(String a, String b) throws IOException {
        return a.equals(b);
    }

    /**
     * Refuses a name that no file can get: a folder has it, or there is no folder to hold it. A file of that name may be
     * there. Touches nothing, so that a long run can ask before it begins.
     *
     * @throws io.sparkgguf.tensor.InvalidInputException with the reason
     */
    default void requireFileName(String file) throws IOException {
        if (exists(file) && status(file).folder()) {
            throw new InvalidInputException("Cannot write " + file + ": it is a folder");
        }
    }

    /** The entries of a folder, in order of name, not recursively. */
    List<FileStatus> list(String folder) throws IOException;

    /** Makes a folder and its parents, private to the user where the place can do that. */
    void createFolder(String folder) throws IOException;

    /** A new file of this name, replacing an old one. Not visible to be whole before {@code close()} returns. */
    OutputStream create(String file) throws IOException;

    /**
     * Makes a file of this content if nothing has that name: of several that try, one does. In one step where the place
     * can do that (local files, HDFS, object stores with conditional writes); elsewhere the one who cares reads it back
     * after a while.
     *
     * @return false when something had that name
     */
    default boolean createNew(String file, byte[] content) throws IOException {
        if (exists(file)) {
            return false;
        }
        try (OutputStream out = create(file)) {
            out.write(content);
        }
        return true;
    }

    /**
     * The same where a file appears under its name at once, when its stream is closed, and not at all when it is aborted.
     * Empty where a file grows in sight: there it is written under another name and renamed.
     */
    default Optional<AbortableOutput> createAtOnce(String file) throws IOException {
        return Optional.empty();
    }

    /**
     * Opens a file that is there for positional writes, without emptying it; a link is no such file. Empty where the place
     * has no such writes (HDFS, object stores): there a file is put together in other ways.
     */
    default Optional<RangeWriter> openForWriting(String file) throws IOException {
        return Optional.empty();
    }

    /** Whether {@link #openForWriting} opens files of this name's place. Touches nothing. */
    default boolean writesAtOffsets(String file) {
        return false;
    }

    /**
     * The way in which a file of {@code length} bytes is put together here by many processes. Touches nothing yet.
     *
     * @param target its final name
     */
    default FileCommit commit(String target, long length) throws IOException {
        return new StreamCommit(this, target, length);
    }

    /**
     * Removes what runs that are gone left of a file that they did not finish: its unfinished file, an open upload.
     *
     * @param target the final name; a file of that name stays
     * @param handle what {@link FileCommit#handle} gave the run, or null when nobody knows
     * @return what was removed, for people
     */
    default List<String> discardUnfinished(String target, String handle) throws IOException {
        String file = Unfinished.file(target);
        if (!exists(file)) {
            return List.of();
        }
        delete(file);
        return List.of(file);
    }

    /**
     * The same files, written by whoever can make them again: where that is faster, they need not outlive a crash of the
     * machine when they have been closed and renamed. The end of a process does them no harm.
     */
    default Storage scratch() {
        return this;
    }

    /** Gives a file another name in the same place, replacing what had that name; atomic where the place can do that. */
    void rename(String from, String to) throws IOException;

    /** Removes a file, or a folder and all that it holds. Does nothing when there is none. */
    void delete(String file) throws IOException;

    /**
     * Removes a folder that holds nothing, and leaves any other as it is.
     *
     * @return whether there is no such folder now
     */
    default boolean deleteEmptyFolder(String folder) throws IOException {
        if (exists(folder)) {
            if (!list(folder).isEmpty()) {
                return false;
            }
            delete(folder);
        }
        return true;
    }

    /**
     * The name of {@code child} in {@code folder}.
     *
     * @throws io.sparkgguf.tensor.InvalidInputException when it would lie outside: absolute, or with a part {@code ..}
     */
    String resolve(String folder, String child);

    /**
     * What is known of a file without opening it.
     *
     * @param file full name
     * @param length bytes, 0 for a folder
     * @param modified milliseconds since 1970
     * @param etag what the store calls this content by; null where it has no such name
     */
    record FileStatus(String file, boolean folder, long length, long modified, String etag) implements Serializable {

        /** Where contents have no names. */
        public FileStatus(String file, boolean folder, long length, long modified) {
            this(file, folder, length, modified, null);
        }

        /** The last part of the name. */
        public String fileName() {
            return file.substring(file.lastIndexOf('/') + 1);
        }

        /** The same under the name that somebody else has for it. */
        public FileStatus named(String name) {
            return new FileStatus(name, folder, length, modified, etag);
        }

        /**
         * Whether both tell of the same content, as far as can be told without reading it: by length and ETag, by length
         * and time where there is no ETag. Stores give times of one object in different precisions.
         */
        public boolean isSameContent(FileStatus other) {
            return folder == other.folder
                    && length == other.length
                    && (etag != null && other.etag != null ? etag.equals(other.etag) : modified == other.modified);
        }

        /**
         * Refuses to go on when the file is not what it was.
         *
         * @param now what was found of it now
         * @throws InvalidInputException with what has changed
         */
        public void requireSame(FileStatus now) {
            if (!isSameContent(now)) {
                String what = length != now.length
                        ? "it had " + length + " bytes and has " + now.length
                        : etag != null && now.etag != null
                                ? "its ETag was " + etag + " and is " + now.etag
                                : "it was written again";
                throw new InvalidInputException(
                        "Cannot use " + file + ": it was changed while the run was reading it (" + what + ")");
            }
        }

        /** For a file that is gone. */
        public InvalidInputException removed(FileNotFoundException cause) {
            return new InvalidInputException(
                    "Cannot use " + file + ": it was removed while the run was reading it", cause);
        }
    }
}
