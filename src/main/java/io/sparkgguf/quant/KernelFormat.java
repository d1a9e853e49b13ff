package io.sparkgguf.quant;

import io.sparkgguf.tensor.Encoding;
import java.util.Objects;

/**
 * A block format made of kernels: checks the arguments, then lets them loose. What has no encoder is read only; what has
 * no decoder either is only recognised, sized, checked and copied.
 */
final class KernelFormat implements BlockFormat {

    /** Encodes whole blocks, one after another over all rows. */
    @FunctionalInterface
    interface Encoder {
        void encode(float[] weights, int weightsAt, int blockCount, byte[] blocks, int blocksAt);
    }

    /** Encodes rows with an importance, which is never null; arguments as in {@link BlockFormat#encode}. */
    @FunctionalInterface
    interface WeightedEncoder {
        void encode(
                float[] weights,
                int weightsAt,
                int rows,
                int columns,
                float[] importance,
                int importanceAt,
                byte[] blocks,
                int blocksAt);
    }

    /** Decodes whole blocks. */
    @FunctionalInterface
    interface Decoder {
        void decode(byte[] blocks, int blocksAt, int blockCount, float[] weights, int weightsAt);
    }

    private final Encoding encoding;
    private final Scan scan;
    private final Encoder encoder;
    private final Decoder decoder;
    private final WeightedEncoder weighted;

    private KernelFormat(Encoding encoding, Scan scan, Encoder encoder, Decoder decoder, WeightedEncoder weighted) {
        this.encoding = encoding;
        this.scan = scan;
        this.encoder = encoder;
        this.decoder = decoder;
        this.weighted = weighted;
    }

    /** A format that is only recognised; {@code scan} finds its numbers that are not finite. */
    static KernelFormat recognised(Encoding encoding, Scan scan) {
        return new KernelFormat(encoding, scan, null, null, null);
    }

    /** This format with a decoder. */
    KernelFormat decodedBy(Decoder kernel) {
        return new KernelFormat(encoding, scan, encoder, kernel, weighted);
    }

    /** This format with an encoder; importance is ignored unless {@link #weightedBy} is called too. */
    KernelFormat encodedBy(Encoder kernel) {
        return new KernelFormat(encoding, scan, kernel, decoder, weighted);
    }

    /** This format with an encoder for the case that an importance is given. */
    KernelFormat weightedBy(WeightedEncoder kernel) {
        return new KernelFormat(encoding, scan, encoder, decoder, kernel);
    }

    @Override
    public Encoding encoding() {
        return encoding;
    }

    @Override
    public boolean encodes() {
        return encoder != null;
    }

    @Override
    public boolean decodes() {
        return decoder != null;
    }

    @Override
    public boolean usesImportance() {
        return weighted != null;
    }

    @Override
    public void encode(
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] blocks,
            int blocksAt) {
        if (encoder == null) {
            throw new UnsupportedOperationException("Cannot encode " + encoding.label() + ": it has no encoder");
        }
        encoding.bytes(columns); // whole blocks in a row
        int elements = Math.multiplyExact(rows, columns);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        Objects.checkFromIndexSize(blocksAt, Math.toIntExact(encoding.bytes(elements)), blocks.length);
        if (importance != null) {
            Objects.checkFromIndexSize(importanceAt, columns, importance.length);
            if (weighted != null) {
                weighted.encode(weights, weightsAt, rows, columns, importance, importanceAt, blocks, blocksAt);
                return;
            }
        }
        encoder.encode(weights, weightsAt, elements / encoding.blockElements(), blocks, blocksAt);
    }

    @Override
    public void decode(byte[] blocks, int blocksAt, int elements, float[] weights, int weightsAt) {
        if (decoder == null) {
            throw new UnsupportedOperationException("Cannot decode " + encoding.label() + ": it has no decoder");
        }
        Objects.checkFromIndexSize(blocksAt, Math.toIntExact(encoding.bytes(elements)), blocks.length);
        Objects.checkFromIndexSize(weightsAt, elements, weights.length);
        decoder.decode(blocks, blocksAt, elements / encoding.blockElements(), weights, weightsAt);
    }

    @Override
    public int firstNonFinite(byte[] blocks, int blocksAt, int count) {
        Objects.checkFromIndexSize(blocksAt, Math.multiplyExact(count, encoding.blockBytes()), blocks.length);
        return scan.firstNonFinite(blocks, blocksAt, count);
    }
}
