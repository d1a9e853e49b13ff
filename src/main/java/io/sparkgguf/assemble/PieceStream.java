package io.sparkgguf.assemble;

import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Objects;

/**
 * The bytes of a range, piece after piece, with the zeros between. Each part is read whole, also where only some of its
 * bytes belong here, and unless its digest is right the stream fails before it gives out the last byte of the piece.
 */
final class PieceStream extends InputStream {
    static final int BUFFER = 4 << 20;

    private final Storage storage;
    private final ByteRange range;
    private final byte[] buffer;
    private long at;
    private int next;
    private PartReader reader;

    PieceStream(Storage storage, ByteRange range) {
        this.storage = storage;
        this.range = range;
        buffer = new byte[(int) Math.min(BUFFER, Math.max(1, range.length()))];
        at = range.offset();
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int start, int count) throws IOException {
        Objects.checkFromIndexSize(start, count, into.length);
        if (count == 0) {
            return 0;
        }
        if (at == range.end()) {
            return -1;
        }
        Piece piece = next < range.pieces().size() ? range.pieces().get(next) : null;
        long zerosTo = piece == null ? range.end() : piece.offset();
        int step;
        if (at < zerosTo) {
            step = (int) Math.min(count, zerosTo - at);
            Arrays.fill(into, start, start + step, (byte) 0);
        } else {
            if (reader == null) {
                reader = new PartReader(storage, piece.part(), buffer);
            }
            step = reader.copy(at, into, start, (int) Math.min(count, piece.end() - at));
            if (at + step == piece.end()) {
                reader.finish();
                close();
                next++;
            }
        }
        at += step;
        return step;
    }

    @Override
    public void close() throws IOException {
        if (reader != null) {
            reader.close();
            reader = null;
        }
    }
}
