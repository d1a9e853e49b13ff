package io.sparkgguf.quant;

import io.sparkgguf.tensor.BlockType;

/**
 * What the symmetric formats with a searched scale share: weight = scale * level, the scale in part a binary16 of the
 * block. A format adds its kernels and where that binary16 lies.
 */
abstract sealed class SearchedFormat extends CheckedFormat permits Q3K, Q6K, IQ4NL, IQ4XS {

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

    private final Encoder encoder;
    private final KernelFormat.Decoder decoder;

    /** @param scaleAt where in a block its binary16 lies, in bytes */
    SearchedFormat(BlockType type, int scaleAt, Encoder encoder, KernelFormat.Decoder decoder) {
        super(type, Scan.halves(type, scaleAt));
        this.encoder = encoder;
        this.decoder = decoder;
    }

    @Override
    final void encodeRows(
            float[] weights,
            int weightsAt,
            int rows,
            int columns,
            float[] importance,
            int importanceAt,
            byte[] blocks,
            int blocksAt) {
        int blocksPerRow = columns / encoding().blockElements();
        encoder.encode(
                weights, weightsAt, rows * blocksPerRow, blocksPerRow, importance, importanceAt, blocks, blocksAt);
    }

    @Override
    final void decodeBlocks(byte[] blocks, int blocksAt, int blockCount, float[] weights, int weightsAt) {
        decoder.decode(blocks, blocksAt, blockCount, weights, weightsAt);
    }
}
