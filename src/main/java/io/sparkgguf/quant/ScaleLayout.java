package io.sparkgguf.quant;

import io.sparkgguf.kernel.Binary16;
import io.sparkgguf.kernel.ScaleCodes;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Where in a block its scales lie, in bytes.
 *
 * @param scaleAt the binary16 d
 * @param minimumAt the binary16 that minima are made of, negative when there is none
 * @param negated whether the minimum is stored by its own sign, to be added, rather than as what is subtracted
 * @param codes how the codes of sub-blocks are stored
 * @param codesAt where
 */
record ScaleLayout(int scaleAt, int minimumAt, boolean negated, ScaleCodes codes, int codesAt) {
    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

    /** One d for the whole block, at this byte, and nothing else. */
    static ScaleLayout single(int scaleAt) {
        return new ScaleLayout(scaleAt, -1, false, ScaleCodes.NONE, 0);
    }

    /** One d and one minimum for the whole block. */
    static ScaleLayout withMinimum(int scaleAt, int minimumAt) {
        return new ScaleLayout(scaleAt, minimumAt, true, ScaleCodes.NONE, 0);
    }

    boolean affine() {
        return minimumAt >= 0;
    }

    float d(byte[] blocks, int blockAt) {
        return Binary16.toFloat((short) SHORTS.get(blocks, blockAt + scaleAt));
    }

    /** What is subtracted for a minimum code of 1. */
    float dmin(byte[] blocks, int blockAt) {
        if (minimumAt < 0) {
            return 0f;
        }
        float stored = Binary16.toFloat((short) SHORTS.get(blocks, blockAt + minimumAt));
        return negated ? -stored : stored;
    }

    /** The inverse of {@link #d} and {@link #dmin}. */
    void put(float d, float dmin, byte[] blocks, int blockAt) {
        SHORTS.set(blocks, blockAt + scaleAt, Binary16.fromFloat(d));
        if (minimumAt >= 0) {
            SHORTS.set(blocks, blockAt + minimumAt, Binary16.fromFloat(negated ? -dmin : dmin));
        }
    }

    int scaleCode(byte[] blocks, int blockAt, int group) {
        return codes.scale(blocks, blockAt + codesAt, group);
    }

    int minimumCode(byte[] blocks, int blockAt, int group) {
        return codes.minimum(blocks, blockAt + codesAt, group);
    }
}
