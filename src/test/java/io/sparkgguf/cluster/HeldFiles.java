package io.sparkgguf.cluster;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.EnumSet;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;
import org.apache.spark.SparkEnv;

/**
 * Local files under the scheme {@code held}, in driver and executors alike. Each creation, opening and renaming of a file
 * that a pattern matches is counted, over all processes; the process that comes to a number that was chosen writes down its
 * id and goes no further, so that a test can kill it at that very point. See {@link HoldPoint}.
 */
public final class HeldFiles extends RawLocalFileSystem {
    private java.nio.file.Path control;
    private Pattern pattern;
    private long at;
    private long next = 1;

    @Override
    public void initialize(URI uri, Configuration conf) throws IOException {
        super.initialize(uri, conf);
        control = java.nio.file.Path.of(conf.get(HoldPoint.CONTROL));
        pattern = Pattern.compile(conf.get(HoldPoint.PATTERN));
        at = conf.getLong(HoldPoint.AT, 0);
    }

    @Override
    public URI getUri() {
        return URI.create(HoldPoint.SCHEME + ":///");
    }

    @Override
    public String getScheme() {
        return HoldPoint.SCHEME;
    }

    /** Hadoop's own would start a shell. */
    @Override
    public void setPermission(Path path, FsPermission permission) {}

    @Override
    public FSDataOutputStream create(
            Path path,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        count("create", path);
        return super.create(path, permission, overwrite, bufferSize, replication, blockSize, progress);
    }

    @Override
    public FSDataOutputStream createNonRecursive(
            Path path,
            FsPermission permission,
            EnumSet<CreateFlag> flags,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        count("create", path);
        return super.createNonRecursive(path, permission, flags, bufferSize, replication, blockSize, progress);
    }

    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        count("open", path);
        return super.open(path, bufferSize);
    }

    @Override
    public boolean rename(Path from, Path to) throws IOException {
        count("rename", to);
        return super.rename(from, to);
    }

    private void count(String operation, Path path) throws IOException {
        SparkEnv spark = SparkEnv.get();
        String who = spark == null || spark.executorId().equals("driver") ? "driver" : "executor";
        String what = who + " " + operation + " " + path.toUri().getPath();
        if (pattern.matcher(what).matches() && number(what) == at) {
            java.nio.file.Path written = control.resolve("held-by.unfinished");
            Files.writeString(written, ProcessHandle.current().pid() + " " + what);
            Files.move(written, control.resolve(HoldPoint.HELD), StandardCopyOption.ATOMIC_MOVE);
            try {
                Thread.sleep(Long.MAX_VALUE);
            } catch (InterruptedException e) {
                throw (IOException) new InterruptedIOException("Told to stop while held").initCause(e);
            }
        }
    }

    private synchronized long number(String what) throws IOException {
        while (true) {
            try {
                Files.write(
                        control.resolve("%09d".formatted(next)),
                        what.getBytes(StandardCharsets.UTF_8),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE);
                return next++;
            } catch (FileAlreadyExistsException e) {
                next++; // another process's
            }
        }
    }
}
