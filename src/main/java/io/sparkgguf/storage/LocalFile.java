package io.sparkgguf.storage;

import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.Set;

/** One open file of this machine. */
final class LocalFile implements RangeReader, RangeWriter {
    // The JDK copies through a direct buffer as large as the request, and keeps it for the thread: so ask in pieces.
    private static final int PIECE = 1 << 20;

    private final String file;
    private final FileChannel channel;
    private final long length;
    /** Whether what was written must be on disk when it is closed. */
    private final boolean lasting;

    private LocalFile(String file, FileChannel channel, boolean lasting) throws IOException {
        this.file = file;
        this.channel = channel;
        this.length = channel.size();
        this.lasting = lasting;
    }

    static RangeReader read(String file, Path path) throws IOException {
        try {
            return new LocalFile(file, FileChannel.open(path, StandardOpenOption.READ), false);
        } catch (IOException e) {
            throw Explained.failure("read", file, e);
        }
    }

    static LocalFile write(String file, Path path, Set<? extends OpenOption> options, boolean lasting)
            throws IOException {
        try {
            return new LocalFile(file, FileChannel.open(path, options), lasting);
        } catch (IOException e) {
            throw Explained.failure("write", file, e);
        }
    }

    static OutputStream create(String file, Path path, Set<? extends OpenOption> options, boolean lasting)
            throws IOException {
        LocalFile opened = write(file, path, options, lasting);
        return new OutputStream() {
            private long at;

            @Override
            public void write(int value) throws IOException {
                write(new byte[] {(byte) value}, 0, 1);
            }

            @Override
            public void write(byte[] from, int start, int count) throws IOException {
                opened.write(at, from, start, count);
                at += count;
            }

            @Override
            public void close() throws IOException {
                opened.close();
            }
        };
    }

    @Override
    public String file() {
        return file;
    }

    @Override
    public long length() {
        return length;
    }

    @Override
    public void readFully(long offset, byte[] into, int at, int count) throws IOException {
        Objects.checkFromIndexSize(at, count, into.length);
        if (offset < 0 || offset > length - count) {
            throw new EOFException("Cannot read " + count + " bytes from byte " + offset + " of " + file
                    + ": the file has " + length + " bytes");
        }
        int done = 0;
        while (done < count) {
            ByteBuffer piece = ByteBuffer.wrap(into, at + done, Math.min(PIECE, count - done));
            int read;
            try {
                read = channel.read(piece, offset + done);
            } catch (IOException e) {
                throw Explained.failure("read", file, e);
            }
            if (read < 0) {
                throw new EOFException("Cannot read " + count + " bytes from byte " + offset + " of " + file
                        + ": the file had " + length + " bytes when it was opened and now ends at byte "
                        + (offset + done));
            }
            done += read;
        }
        Traffic.countRead(count);
    }

    @Override
    public void write(long offset, byte[] from, int at, int count) throws IOException {
        Objects.checkFromIndexSize(at, count, from.length);
        int done = 0;
        while (done < count) {
            ByteBuffer piece = ByteBuffer.wrap(from, at + done, Math.min(PIECE, count - done));
            try {
                done += channel.write(piece, offset + done);
            } catch (IOException e) {
                throw Explained.failure("write", file, e);
            }
        }
        Traffic.countWritten(count);
    }

    @Override
    public void setLength(long bytes) throws IOException {
        try {
            if (channel.size() > bytes) {
                channel.truncate(bytes);
            } else if (channel.size() < bytes) {
                channel.write(ByteBuffer.allocate(1), bytes - 1);
            }
        } catch (IOException e) {
            throw Explained.failure("write", file, e);
        }
    }

    @Override
    public void force() throws IOException {
        if (lasting) {
            try {
                channel.force(false);
            } catch (IOException e) {
                throw Explained.failure("write", file, e);
            }
        }
    }

    @Override
    public void close() throws IOException {
        if (!channel.isOpen()) {
            return;
        }
        try (channel) {
            if (lasting) {
                channel.force(true);
            }
        } catch (IOException e) {
            throw Explained.failure("write", file, e);
        }
    }
}
