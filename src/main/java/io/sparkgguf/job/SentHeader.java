package io.sparkgguf.job;

import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.RangeReader;
import java.io.EOFException;
import java.io.IOException;
import java.util.Arrays;

/**
 * What can be read of a file that the store shows only when it is complete: the header, from the part that was sent.
 * Behind it there are zeros, which no header's reader looks at.
 */
final class SentHeader implements RangeReader {
    private final OutputFile output;
    private final RangeReader header;

    SentHeader(OutputFile output, RangeReader header) {
        this.output = output;
        this.header = header;
    }

    @Override
    public String file() {
        return output.file();
    }

    @Override
    public long length() {
        return output.length();
    }

    @Override
    public void readFully(long offset, byte[] into, int at, int count) throws IOException {
        if (offset < 0 || offset > length() - count) {
            throw new EOFException("Cannot read " + count + " bytes from byte " + offset + " of " + file() + ": it has "
                    + length() + " bytes");
        }
        int sent = (int) Math.max(0, Math.min(count, header.length() - offset));
        header.readFully(Math.min(offset, header.length()), into, at, sent);
        Arrays.fill(into, at + sent, at + count, (byte) 0);
    }

    @Override
    public void close() throws IOException {
        header.close();
    }
}
