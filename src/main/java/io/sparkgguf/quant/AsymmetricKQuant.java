package io.sparkgguf.quant;

import io.sparkgguf.kernel.AffineDecoder;
import io.sparkgguf.kernel.AsymmetricEncoder;
import io.sparkgguf.kernel.AsymmetricSpec;
import io.sparkgguf.kernel.Binary16;
import io.sparkgguf.kernel.ScaleCodes;
import io.sparkgguf.tensor.BlockType;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * What the asymmetric K-quants share: weight = d * scaleCode * level - dmin * minimumCode, with one d and dmin (binary16)
 * for a super-block of 256 and one pair of codes for each of its sub-blocks. A format adds where its bytes lie.
 *
 * <p>Levels pass through an array of one byte each, eight of them packed at a time as a long.
 */
abstract sealed class AsymmetricKQuant extends CheckedFormat implements LevelPacking permits Q2K, Q4K, Q5K {
    /** Weights of a super-block. */
    static final int SUPER_BLOCK = AsymmetricSpec.SUPER_BLOCK;

    /** Eight bytes as a long, the first lowest. */
    static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

    /** Super-blocks unpacked at a time when decoding: their levels stay in the nearest cache. */
    private static final int DECODED_AT_ONCE = 8;

    private final BlockType type;
    private final AsymmetricSpec spec;
    private final int scaleAt;
    private final int codesAt;
    private final ThreadLocal<AsymmetricEncoder> encoder;
    private final ThreadLocal<Decoded> decoded;

    /**
     * @param scaleAt where in a block d lies, dmin behind it, in bytes
     * @param codesAt where in a block the codes lie, in bytes
     * @param vector whether to encode in vectors or by the scalar definition, which gives the same bytes
     */
    AsymmetricKQuant(BlockType type, AsymmetricSpec spec, int scaleAt, int codesAt, boolean vector) {
        super(type, Scan.halves(type, scaleAt, scaleAt + 2));
        this.type = type;
        this.spec = spec;
        this.scaleAt = scaleAt;
        this.codesAt = codesAt;
        this.encoder = ThreadLocal.withInitial(() -> AsymmetricEncoder.of(spec, vector));
        this.decoded = ThreadLocal.withInitial(() -> new Decoded(DECODED_AT_ONCE, spec.subBlocks()));
    }

    /** Where scales, minima and their codes lie. */
    final ScaleLayout layout() {
        return new ScaleLayout(scaleAt, scaleAt + 2, false, spec.codes(), codesAt);
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
        int blocksPerRow = columns / SUPER_BLOCK;
        int count = rows * blocksPerRow;
        AsymmetricEncoder batch = encoder.get();
        ScaleCodes codes = spec.codes();
        for (int first = 0; first < count; first += AsymmetricEncoder.CAPACITY) {
            int n = Math.min(AsymmetricEncoder.CAPACITY, count - first);
            batch.encode(
                    weights,
                    weightsAt + first * SUPER_BLOCK,
                    n,
                    importance,
                    importanceAt,
                    blocksPerRow,
                    first % blocksPerRow);
            for (int b = 0; b < n; b++) {
                int at = blocksAt + (first + b) * type.blockBytes();
                SHORTS.set(blocks, at + scaleAt, batch.scales[b]);
                SHORTS.set(blocks, at + scaleAt + 2, batch.minima[b]);
                System.arraycopy(batch.codes, b * codes.bytes(), blocks, at + codesAt, codes.bytes());
                pack(batch.levels, b * SUPER_BLOCK, blocks, at);
            }
        }
    }

    @Override
    final void decodeBlocks(byte[] blocks, int blocksAt, int count, float[] weights, int weightsAt) {
        Decoded batch = decoded.get();
        ScaleCodes codes = spec.codes();
        int subBlocks = spec.subBlocks();
        for (int first = 0; first < count; first += DECODED_AT_ONCE) {
            int n = Math.min(DECODED_AT_ONCE, count - first);
            for (int b = 0; b < n; b++) {
                int at = blocksAt + (first + b) * type.blockBytes();
                float d = Binary16.toFloat((short) SHORTS.get(blocks, at + scaleAt));
                float dmin = Binary16.toFloat((short) SHORTS.get(blocks, at + scaleAt + 2));
                for (int j = 0; j < subBlocks; j++) {
                    batch.scales[b * subBlocks + j] = d * codes.scale(blocks, at + codesAt, j);
                    batch.minima[b * subBlocks + j] = dmin * codes.minimum(blocks, at + codesAt, j);
                }
                unpack(blocks, at, batch.levels, b * SUPER_BLOCK);
            }
            AffineDecoder.decode(
                    batch.levels,
                    n * subBlocks,
                    spec.elements(),
                    batch.scales,
                    batch.minima,
                    weights,
                    weightsAt + first * SUPER_BLOCK);
        }
    }

    /** Some super-blocks between their bytes and their weights. */
    private static final class Decoded {
        final byte[] levels;
        final float[] scales;
        final float[] minima;

        Decoded(int superBlocks, int subBlocks) {
            levels = new byte[superBlocks * SUPER_BLOCK];
            scales = new float[superBlocks * subBlocks];
            minima = new float[superBlocks * subBlocks];
        }
    }
}
