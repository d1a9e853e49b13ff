package io.sparkgguf.assemble;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Objects;

/** The bytes of a range, piece after piece, with the zeros between. Opens a part when its turn comes. */
final class PieceStream extends InputStream {
    private final Storage storage;
    private final ByteRange range;
    private int next;
    private RangeReader open;
    private long at;

    PieceStream(Storage storage, ByteRange range) {
        this.storage = storage;
        this.range = range;
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
        long end = range.offset() + range.length();
        if (count == 0) {
            return 0;
        }
        if (at == end) {
            return -1;
        }
        Piece piece = next < range.pieces().size() ? range.pieces().get(next) : null;
        long zerosTo = piece == null ? end : piece.offset();
        int step;
        if (at < zerosTo) {
            step = (int) Math.min(count, zerosTo - at);
            Arrays.fill(into, start, start + step, (byte) 0);
        } else {
            step = (int) Math.min(count, piece.offset() + piece.length() - at);
            if (open == null) {
                open = storage.open(piece.file());
            }
            open.readFully(piece.fileOffset() + at - piece.offset(), into, start, step);
        }
        at += step;
        if (piece != null && at == piece.offset() + piece.length()) {
            close();
            next++;
        }
        return step;
    }

    @Override
    public void close() throws IOException {
        if (open != null) {
            open.close();
            open = null;
        }
    }
}
