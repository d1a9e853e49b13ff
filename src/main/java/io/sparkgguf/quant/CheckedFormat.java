package io.sparkgguf.quant;

import io.sparkgguf.tensor.Encoding;
import java.util.Objects;

/** The checked front of every format: looks at the arguments once, then calls a core that looks at none. */
abstract class CheckedFormat implements BlockFormat {
    private final Encoding encoding;
    private final Scan scan;

    /** @param scan finds the numbers of this encoding that are not finite */
    CheckedFormat(Encoding encoding, Scan scan) {
        this.encoding = encoding;
        this.scan = scan;
    }

    /** As {@link BlockFormat#encode}, arguments checked, rows whole blocks. */
    abstract void encodeRows(
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] blocks,
            int blocksAt);

    /** As {@link BlockFormat#decode}, arguments checked, counted in blocks. */
    abstract void decodeBlocks(byte[] blocks, int blocksAt, int blockCount, float[] weights, int weightsAt);

    @Override
    public final Encoding encoding() {
        return encoding;
    }

    @Override
    public boolean encodes() {
        return true;
    }

    @Override
    public boolean decodes() {
        return true;
    }

    @Override
    public boolean usesImportance() {
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
        if (!encodes()) {
            throw new UnsupportedOperationException("Cannot encode " + encoding.label() + ": it has no encoder");
        }
        if (columns <= 0 || columns % encoding.blockElements() != 0) {
            throw new IllegalArgumentException("Cannot encode rows of " + columns + " weights as " + encoding.label()
                    + ": a block holds " + encoding.blockElements() + " weights");
        }
        int elements = Math.multiplyExact(rows, columns);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        Objects.checkFromIndexSize(blocksAt, Math.toIntExact(encoding.bytes(elements)), blocks.length);
        if (importance != null) {
            Objects.checkFromIndexSize(importanceAt, columns, importance.length);
        }
        encodeRows(weights, weightsAt, rows, columns, importance, importanceAt, blocks, blocksAt);
    }

    @Override
    public final void decode(byte[] blocks, int blocksAt, int elements, float[] weights, int weightsAt) {
        if (!decodes()) {
            throw new UnsupportedOperationException("Cannot decode " + encoding.label() + ": it has no decoder");
        }
        Objects.checkFromIndexSize(blocksAt, Math.toIntExact(encoding.bytes(elements)), blocks.length);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        decodeBlocks(blocks, blocksAt, elements / encoding.blockElements(), weights, weightsAt);
    }

    @Override
    public final int firstNonFinite(byte[] blocks, int blocksAt, int count) {
        Objects.checkFromIndexSize(blocksAt, Math.multiplyExact(count, encoding.blockBytes()), blocks.length);
        return scan.firstNonFinite(blocks, blocksAt, count);
    }
}
