package io.sparkgguf.quant;

import io.sparkgguf.tensor.Encoding;

/**
 * A block format made of kernels. What has no encoder is read only; what has
 * no decoder either is only recognised, sized, checked and copied.
 */
final class KernelFormat extends CheckedFormat {

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

    private final Scan scan;
    private final Encoder encoder;
    private final Decoder decoder;
    private final WeightedEncoder weighted;

    private KernelFormat(Encoding encoding, Scan scan, Encoder encoder, Decoder decoder, WeightedEncoder weighted) {
        super(encoding, scan);
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
        return new KernelFormat(encoding(), scan, encoder, kernel, weighted);
    }

    /** This format with an encoder; importance is ignored unless {@link #weightedBy} is called too. */
    KernelFormat encodedBy(Encoder kernel) {
        return new KernelFormat(encoding(), scan, kernel, decoder, weighted);
    }

    /** This format with an encoder for the case that an importance is given. */
    KernelFormat weightedBy(WeightedEncoder kernel) {
        return new KernelFormat(encoding(), scan, encoder, decoder, kernel);
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
    void encodeRows(
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] blocks,
            int blocksAt) {
        if (importance != null && weighted != null) {
            weighted.encode(weights, weightsAt, rows, columns, importance, importanceAt, blocks, blocksAt);
        } else {
            encoder.encode(weights, weightsAt, rows * (columns / encoding().blockElements()), blocks, blocksAt);
        }
    }

    @Override
    void decodeBlocks(byte[] blocks, int blocksAt, int blockCount, float[] weights, int weightsAt) {
        decoder.decode(blocks, blocksAt, blockCount, weights, weightsAt);
    }
}
