package io.sparkgguf.quant;

import io.sparkgguf.kernel.Halves;
import io.sparkgguf.kernel.WeightedBlocks;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Q4_1 and Q5_1 with importance: blocks of 32, fitted by {@link WeightedBlocks}, packed as the plain encoders pack them.
 */
final class WeightedAffine implements KernelFormat.WeightedEncoder {
    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final int HALF = WeightedBlocks.ELEMENTS / 2;

    private final boolean fifthBit;
    private final int blockBytes;
    private final ThreadLocal<WeightedBlocks> kernels;

    /**
     * @param bits of a level: 4 or 5
     */
    WeightedAffine(int bits) {
        fifthBit = bits == 5;
        blockBytes = fifthBit ? 24 : 20;
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
        kernels.get()
                .fit(
                        weights,
                        weightsAt,
                        rows,
                        columns,
                        importance,
                        importanceAt,
                        (block, scale, minimum, levels) ->
                                pack(scale, minimum, levels, blocks, blocksAt + block * blockBytes));
    }

    private void pack(float scale, float minimum, byte[] levels, byte[] blocks, int at) {
        SHORTS.set(blocks, at, (short) Halves.toF16(scale));
        SHORTS.set(blocks, at + 2, (short) Halves.toF16(minimum));
        int nibblesAt = at + 4;
        if (fifthBit) {
            int high = 0;
            for (int i = 0; i < WeightedBlocks.ELEMENTS; i++) {
                high |= (levels[i] >> 4 & 1) << i;
            }
            INTS.set(blocks, nibblesAt, high);
            nibblesAt += 4;
        }
        for (int j = 0; j < HALF; j++) {
            blocks[nibblesAt + j] = (byte) (levels[j] & 15 | (levels[j + HALF] & 15) << 4);
        }
    }
}
