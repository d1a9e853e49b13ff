package io.sparkgguf.cli;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.util.EnumSet;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/** Local files under the scheme {@code full}, of which only so many bytes can be written. */
public final class FullDisk extends RawLocalFileSystem {
    static final String SCHEME = "full";
    static final AtomicLong ROOM = new AtomicLong();

    @Override
    public URI getUri() {
        return URI.create(SCHEME + ":///");
    }

    /** Hadoop's own would start a shell. */
    @Override
    public void setPermission(Path path, FsPermission permission) {}

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
        OutputStream out =
                super.createNonRecursive(path, permission, flags, bufferSize, replication, blockSize, progress);
        return new FSDataOutputStream(
                new FilterOutputStream(out) {
                    @Override
                    public void write(byte[] from, int at, int count) throws IOException {
                        if (ROOM.addAndGet(-count) < 0) {
                            throw new IOException("No space left on device");
                        }
                        out.write(from, at, count);
                    }
                },
                null);
    }
}
