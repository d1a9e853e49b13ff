package io.sparkgguf.kernel;

/** Rows of bytes to columns: squares of eight by eight, each as eight longs in registers. */
public final class ByteTransposition {
    private static final int SIZE = 8;
    private static final long PAIRS = 0x00ff00ff00ff00ffL;
    private static final long QUADS = 0x0000ffff0000ffffL;
    private static final long HALF = 0x00000000ffffffffL;

    private ByteTransposition() {}

    /**
     * Byte c of row r, {@code from[at + r * stride + c]}, to {@code to[toAt + c * toStride + r]}.
     *
     * <p>All rows of eight columns are moved before the next columns: up to 64 rows, each column's are a whole cache line.
     */
    public static void transpose(
            byte[] from, int at, int stride, int rows, int columns, byte[] to, int toAt, int toStride) {
        int wholeRows = rows - rows % SIZE;
        int wholeColumns = columns - columns % SIZE;
        for (int c = 0; c < wholeColumns; c += SIZE) {
            for (int r = 0; r < wholeRows; r += SIZE) {
                square(from, at + r * stride + c, stride, to, toAt + c * toStride + r, toStride);
            }
            single(from, at + c, stride, wholeRows, rows, SIZE, to, toAt + c * toStride, toStride);
        }
        single(
                from,
                at + wholeColumns,
                stride,
                0,
                rows,
                columns - wholeColumns,
                to,
                toAt + wholeColumns * toStride,
                toStride);
    }

    private static void single(
            byte[] from, int at, int stride, int firstRow, int rows, int columns, byte[] to, int toAt, int toStride) {
        for (int r = firstRow; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                to[toAt + c * toStride + r] = from[at + r * stride + c];
            }
        }
    }

    /** Exchanges the off-diagonal bytes, pairs, then quads of rows one, two, then four apart. */
    private static void square(byte[] from, int at, int stride, byte[] to, int toAt, int toStride) {
        long r0 = ByteLanes.getLong(from, at);
        long r1 = ByteLanes.getLong(from, at + stride);
        long r2 = ByteLanes.getLong(from, at + 2 * stride);
        long r3 = ByteLanes.getLong(from, at + 3 * stride);
        long r4 = ByteLanes.getLong(from, at + 4 * stride);
        long r5 = ByteLanes.getLong(from, at + 5 * stride);
        long r6 = ByteLanes.getLong(from, at + 6 * stride);
        long r7 = ByteLanes.getLong(from, at + 7 * stride);
        long a0 = low(r0, r1, PAIRS, 8);
        long a1 = high(r0, r1, PAIRS, 8);
        long a2 = low(r2, r3, PAIRS, 8);
        long a3 = high(r2, r3, PAIRS, 8);
        long a4 = low(r4, r5, PAIRS, 8);
        long a5 = high(r4, r5, PAIRS, 8);
        long a6 = low(r6, r7, PAIRS, 8);
        long a7 = high(r6, r7, PAIRS, 8);
        long b0 = low(a0, a2, QUADS, 16);
        long b1 = low(a1, a3, QUADS, 16);
        long b2 = high(a0, a2, QUADS, 16);
        long b3 = high(a1, a3, QUADS, 16);
        long b4 = low(a4, a6, QUADS, 16);
        long b5 = low(a5, a7, QUADS, 16);
        long b6 = high(a4, a6, QUADS, 16);
        long b7 = high(a5, a7, QUADS, 16);
        ByteLanes.putLong(to, toAt, low(b0, b4, HALF, 32));
        ByteLanes.putLong(to, toAt + toStride, low(b1, b5, HALF, 32));
        ByteLanes.putLong(to, toAt + 2 * toStride, low(b2, b6, HALF, 32));
        ByteLanes.putLong(to, toAt + 3 * toStride, low(b3, b7, HALF, 32));
        ByteLanes.putLong(to, toAt + 4 * toStride, high(b0, b4, HALF, 32));
        ByteLanes.putLong(to, toAt + 5 * toStride, high(b1, b5, HALF, 32));
        ByteLanes.putLong(to, toAt + 6 * toStride, high(b2, b6, HALF, 32));
        ByteLanes.putLong(to, toAt + 7 * toStride, high(b3, b7, HALF, 32));
    }

    /** The lower halves of two rows' fields, the first row's below. */
    private static long low(long a, long b, long mask, int shift) {
        return a & mask | (b & mask) << shift;
    }

    /** The upper halves. */
    private static long high(long a, long b, long mask, int shift) {
        return a >>> shift & mask | b & ~mask;
    }
}
