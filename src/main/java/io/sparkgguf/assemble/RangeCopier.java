package io.sparkgguf.assemble;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.RangeWriter;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;

/** Fills byte ranges of an output file from the parts. Zeros between pieces are written, not assumed. */
public final class RangeCopier implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final int BUFFER = 4 << 20;

    private final Storage storage;
    private final String[] outputs;

    /**
     * @param outputs existing files that the ranges belong to, by index
     */
    public RangeCopier(Storage storage, String... outputs) {
        this.storage = storage;
        this.outputs = outputs.clone();
    }

    /** Writes the range; doing it again writes the same bytes. Returns its length. */
    public Long run(ByteRange range) throws IOException {
        byte[] buffer = new byte[(int) Math.min(BUFFER, range.length())];
        try (RangeWriter out = open(outputs[range.output()])) {
            long at = range.offset();
            for (Piece piece : range.pieces()) {
                zeros(out, at, piece.offset() - at, buffer);
                copy(out, piece, buffer);
                at = piece.offset() + piece.length();
            }
            zeros(out, at, range.offset() + range.length() - at, buffer);
        }
        return range.length();
    }

    private RangeWriter open(String file) throws IOException {
        return storage.openForWriting(file)
                .orElseThrow(() -> new InvalidInputException("Cannot write " + file
                        + ": files of this file system cannot be written at an offset; name a local output"));
    }

    private void copy(RangeWriter out, Piece piece, byte[] buffer) throws IOException {
        try (RangeReader in = storage.open(piece.file())) {
            for (long done = 0; done < piece.length(); ) {
                int count = (int) Math.min(buffer.length, piece.length() - done);
                in.readFully(piece.fileOffset() + done, buffer, 0, count);
                out.write(piece.offset() + done, buffer, 0, count);
                done += count;
            }
        }
    }

    private static void zeros(RangeWriter out, long at, long count, byte[] buffer) throws IOException {
        if (count > 0) {
            Arrays.fill(buffer, 0, (int) Math.min(buffer.length, count), (byte) 0);
        }
        for (long done = 0; done < count; ) {
            int step = (int) Math.min(buffer.length, count - done);
            out.write(at + done, buffer, 0, step);
            done += step;
        }
    }
}
