package io.sparkgguf.job;

import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;

/** Rows as they are after they were encoded in a type and decoded again. Keeps its buffers; for one thread. */
final class RoundedRows {
    private byte[] encoded = new byte[0];
    private float[] rounded = new float[0];

    /** Bytes that it holds for so many weights: encoded ones, which may be float32 too, and rounded ones. */
    static long memory(long weights) {
        return 8 * weights;
    }

    /**
     * Rounds rows.
     *
     * @param x {@code rows * columns} finite weights from {@code at}
     * @param importance of the columns, or null
     * @return as many from index 0, until the next call
     */
    float[] round(BlockType type, float[] x, int at, int rows, int columns, float[] importance) {
        BlockFormat format = BlockFormats.of(type);
        int weights = rows * columns;
        int bytes = Math.toIntExact(type.bytes(weights));
        if (encoded.length < bytes) {
            encoded = new byte[bytes];
        }
        if (rounded.length < weights) {
            rounded = new float[weights];
        }
        if (type.isScalar()) {
            format.encode(x, at, 1, weights, null, 0, encoded, 0);
        } else {
            format.encode(x, at, rows, columns, importance, 0, encoded, 0);
        }
        format.decode(encoded, 0, weights, rounded, 0);
        return rounded;
    }
}
