package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.Explained;
import io.sparkgguf.storage.RangeReader;
import java.io.EOFException;
import java.io.IOException;
import java.util.Objects;
import org.apache.hadoop.fs.FSDataInputStream;

/** One open file of a Hadoop file system, read by position; Hadoop promises that such reads may run side by side. */
final class HadoopReader implements RangeReader {
    private final String file;
    private final FSDataInputStream stream;
    private final long length;

    HadoopReader(String file, FSDataInputStream stream, long length) {
        this.file = file;
        this.stream = stream;
        this.length = length;
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
        try {
            stream.readFully(offset, into, at, count);
        } catch (EOFException e) {
            EOFException shorter = new EOFException("Cannot read " + count + " bytes from byte " + offset + " of "
                    + file + ": the file had " + length + " bytes when it was opened and is shorter now");
            shorter.initCause(e);
            throw shorter;
        } catch (IOException e) {
            throw Explained.failure("read", file, e);
        }
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }
}
