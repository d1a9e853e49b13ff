package io.sparkgguf.assemble;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * One byte range of an output file and the pieces that fill it, in order; bytes between pieces are zero.
 *
 * @param output index of the output file
 * @param index of the range in its file, from 0
 * @param offset first byte
 * @param length bytes
 * @param last whether the file ends with it
 * @param pieces in order of their offset, none outside the range
 */
public record ByteRange(int output, int index, long offset, long length, boolean last, List<Piece> pieces)
        implements Serializable {
    /** Bytes of a range: what a multipart upload's part is for files of hundreds of gigabytes. */
    public static final long LENGTH = 64L << 20;

    public ByteRange {
        pieces = List.copyOf(pieces);
    }

    /**
     * Cuts a file of {@code total} bytes into ranges of {@code length} bytes, the last one shorter.
     *
     * @param parts the whole parts with their offsets in the file, in order, not overlapping
     */
    public static List<ByteRange> cut(int output, long total, long length, List<Piece> parts) {
        List<ByteRange> ranges = new ArrayList<>();
        int next = 0;
        for (long from = 0; from < total; from += length) {
            long to = Math.min(total, from + length);
            List<Piece> pieces = new ArrayList<>();
            while (next < parts.size()) {
                Piece part = parts.get(next);
                long lo = Math.max(from, part.offset());
                long hi = Math.min(to, part.offset() + part.length());
                if (lo < hi) {
                    pieces.add(new Piece(part.file(), part.fileOffset() + lo - part.offset(), lo, hi - lo));
                }
                if (part.offset() + part.length() > to) {
                    break; // the rest of it belongs to the next range
                }
                next++;
            }
            ranges.add(new ByteRange(output, ranges.size(), from, to - from, to == total, pieces));
        }
        return ranges;
    }
}
