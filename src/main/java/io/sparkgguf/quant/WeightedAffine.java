package io.sparkgguf.quant;

import io.sparkgguf.kernel.AffineRounding;
import io.sparkgguf.kernel.WeightedBlocks;

/** Q4_1 and Q5_1 with importance: fitted by {@link WeightedBlocks}, written as the plain encoder writes them. */
final class WeightedAffine implements KernelFormat.WeightedEncoder {
    private final int bits;
    private final int blockBytes;
    private final ThreadLocal<WeightedBlocks> kernels;

    /**
     * @param bits of a level: 4 or 5
     * @param blockBytes bytes of a block
     */
    WeightedAffine(int bits, int blockBytes) {
        this.bits = bits;
        this.blockBytes = blockBytes;
        kernels = ThreadLocal.withInitial(() -> new WeightedBlocks((1 << bits) - 1, true));
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
        WeightedBlocks.Sink sink = (block, scale, minimum, levels) ->
                AffineRounding.put(levels, scale, minimum, bits, blocks, blocksAt + block * blockBytes);
        kernels.get().fit(weights, weightsAt, rows, columns, importance, importanceAt, sink);
    }
}
