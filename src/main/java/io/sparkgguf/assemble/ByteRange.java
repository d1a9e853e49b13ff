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
    /** Bytes of a range: between this and twice as much, unless a file would have too many of them. */
    public static final long LENGTH = 64L << 20;

    public ByteRange {
        pieces = List.copyOf(pieces);
    }

    /** One past the last byte. */
    public long end() {
        return offset + length;
    }

    /**
     * The shortest length of ranges to ask {@link #cut} for.
     *
     * @param total bytes of the file
     * @param wanted bytes, taken when the other two allow it
     * @param least bytes that the place wants of all but the last
     * @param most ranges that the place takes
     */
    public static long length(long total, long wanted, long least, int most) {
        return Math.max(Math.max(wanted, least), (total + most - 1) / most);
    }

    /**
     * Cuts a file of {@code total} bytes into ranges of {@code length} bytes or more, the last one shorter. A range ends
     * where a part does, so that few parts are read twice, unless it would be more than twice as long.
     *
     * @param parts with their offsets in the file, in order, not overlapping, none empty
     */
    public static List<ByteRange> cut(int output, long total, long length, List<Part> parts) {
        List<ByteRange> ranges = new ArrayList<>();
        int next = 0;
        long from = 0;
        while (from < total) {
            long to = total - from <= length ? total : end(from, total, length, parts, next);
            List<Piece> pieces = new ArrayList<>();
            while (next < parts.size() && parts.get(next).offset() < to) {
                Part part = parts.get(next);
                long lo = Math.max(from, part.offset());
                pieces.add(new Piece(part, lo, Math.min(to, part.end()) - lo));
                if (part.end() > to) {
                    break; // the rest of it belongs to the next range
                }
                next++;
            }
            ranges.add(new ByteRange(output, ranges.size(), from, to - from, to == total, pieces));
            from = to;
        }
        return ranges;
    }

    private static long end(long from, long total, long length, List<Part> parts, int next) {
        for (int i = next; i < parts.size(); i++) {
            long end = parts.get(i).end();
            if (end >= from + length) {
                return end <= from + 2 * length ? end : from + length;
            }
        }
        return Math.min(total, from + length);
    }
}
