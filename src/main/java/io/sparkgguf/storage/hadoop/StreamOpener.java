package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.Retries;
import io.sparkgguf.storage.Storage.FileStatus;
import java.io.FileNotFoundException;
import java.io.IOException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options.OpenFileOptions;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.functional.FutureIO;

/**
 * Opens one file as often as its stream is lost, and only the content that it had the first time.
 *
 * @param file its name as it was given
 */
record StreamOpener(String file, Path path, FileSystem system, Retries retries) {

    /** An open stream and what the file was when it was opened. */
    record Opened(FSDataInputStream stream, FileStatus status) {}

    /**
     * One attempt: looks at the file, and opens what was seen, so that a store need not be asked again.
     *
     * @param expected what it must still be; null for whatever is there
     */
    Opened open(FileStatus expected) throws IOException {
        org.apache.hadoop.fs.FileStatus found;
        try {
            found = system.getFileStatus(path);
        } catch (FileNotFoundException e) {
            throw expected == null ? e : throwing(expected.removed(e));
        }
        if (found.isDirectory()) {
            throw new WrongKindException("it is a folder");
        }
        FileStatus status = HadoopStorage.translated(found).named(file);
        if (expected != null) {
            expected.requireSame(status);
        }
        FSDataInputStream stream = FutureIO.awaitFuture(system.openFile(path)
                .withFileStatus(found)
                .opt(
                        OpenFileOptions.FS_OPTION_OPENFILE_READ_POLICY,
                        OpenFileOptions.FS_OPTION_OPENFILE_READ_POLICY_RANDOM)
                .build());
        return new Opened(stream, status);
    }

    private static IOException throwing(RuntimeException refusal) {
        throw refusal;
    }

    /** Runs with retries; failures say what was to be done with the file. */
    <R> R retried(Retries.Attempt<R> attempt) throws IOException {
        return retries.run(PassingFailures::mayPass, failure -> HadoopStorage.failure("read", file, failure), attempt);
    }
}
