package io.sparkgguf.quant;

import io.sparkgguf.kernel.Binary16;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import java.util.Objects;

/**
 * What the symmetric formats with a searched scale share: weight = scale * level, the scale in part a binary16 of the
 * block. A format adds its kernels and where that binary16 lies.
 */
abstract sealed class SearchedFormat implements BlockFormat permits Q3K, Q6K, IQ4NL, IQ4XS {

    /** Encodes consecutive blocks, whole rows of {@code blocksPerRow}. */
    interface Encoder {
        void encode(
                float[] x,
                int at,
                int blocks,
                int blocksPerRow,
                float[] importance,
                int importanceAt,
                byte[] out,
                int outAt);
    }

    /** Decodes consecutive blocks. */
    interface Decoder {
        void decode(byte[] blocks, int at, int count, float[] out, int outAt);
    }

    private final BlockType type;
    private final int scaleAt;
    private final Encoder encoder;
    private final Decoder decoder;

    /** @param scaleAt where in a block its binary16 lies, in bytes */
    SearchedFormat(BlockType type, int scaleAt, Encoder encoder, Decoder decoder) {
        this.type = type;
        this.scaleAt = scaleAt;
        this.encoder = encoder;
        this.decoder = decoder;
    }

    @Override
    public final Encoding encoding() {
        return type;
    }

    @Override
    public final boolean encodes() {
        return true;
    }

    @Override
    public final boolean decodes() {
        return true;
    }

    @Override
    public final boolean usesImportance() {
        return true;
    }

    @Override
    public final void encode(
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] blocks,
            int blocksAt) {
        if (columns <= 0 || columns % type.blockElements() != 0) {
            throw new IllegalArgumentException("Cannot encode rows of " + columns + " weights as " + type
                    + ": a block holds " + type.blockElements() + " weights");
        }
        int blocksPerRow = columns / type.blockElements();
        int count = Math.multiplyExact(rows, blocksPerRow);
        Objects.checkFromIndexSize(weightsAt, Math.multiplyExact(rows, columns), weights.length);
        Objects.checkFromIndexSize(blocksAt, Math.multiplyExact(count, type.blockBytes()), blocks.length);
        if (importance != null) {
            Objects.checkFromIndexSize(importanceAt, columns, importance.length);
        }
        encoder.encode(weights, weightsAt, count, blocksPerRow, importance, importanceAt, blocks, blocksAt);
    }

    @Override
    public final void decode(byte[] blocks, int blocksAt, int elements, float[] weights, int weightsAt) {
        int bytes = Math.toIntExact(type.bytes(elements));
        Objects.checkFromIndexSize(blocksAt, bytes, blocks.length);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        decoder.decode(blocks, blocksAt, elements / type.blockElements(), weights, weightsAt);
    }

    @Override
    public final int firstNonFinite(byte[] blocks, int blocksAt, int count) {
        Objects.checkFromIndexSize(blocksAt, Math.multiplyExact(count, type.blockBytes()), blocks.length);
        for (int b = 0; b < count; b++) {
            int at = blocksAt + b * type.blockBytes() + scaleAt;
            if (!Binary16.isFinite((short) (blocks[at] & 0xff | blocks[at + 1] << 8))) {
                return b;
            }
        }
        return -1;
    }
}
